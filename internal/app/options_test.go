package app

import (
	"testing"

	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/schemas"
)

func TestGateOptionsNameWhatCanPause(t *testing.T) {
	cat, err := schemas.Load("")
	if err != nil {
		t.Fatal(err)
	}
	c := &config.Config{Top: config.Top{Accounts: map[string]config.Account{"default": {AppKey: "1"}, "other": {AppKey: "2"}}}}
	o := gateOptions(c, cat, nil, nil)
	if len(o.Accounts) != 2 || o.Accounts["default"] != "1" || o.Accounts["other"] != "2" {
		t.Errorf("accounts %v", o.Accounts)
	}
	if len(o.Methods) != len(cat.Types()) {
		t.Errorf("methods %v", o.Methods)
	}
}
