package check

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/toprelay/worker/internal/config"
)

func TestUnreadable(t *testing.T) {
	twice := config.Problems{{Place: "c.yaml:1:9", Key: "kafka.broker", Message: "unknown key"}, {Key: "top", Message: "no"}}
	for name, test := range map[string]struct {
		err  error
		want []string // the messages of the failures
	}{
		"keys": {fmt.Errorf("loading: %w", twice), []string{"c.yaml:1:9: kafka.broker: unknown key", "top: no"}},
		"file": {fmt.Errorf("bad configuration: c.yaml: %w", fs.ErrNotExist), []string{"c.yaml: file does not exist"}},
		"else": {errors.New("odd"), []string{"odd"}},
	} {
		t.Run(name, func(t *testing.T) {
			findings := Unreadable(test.err)
			if len(findings) != len(test.want)+len(Names())-1 || Worst(findings) != BadConfiguration {
				t.Fatalf("got %+v", findings)
			}
			for i, want := range test.want {
				if f := findings[i]; f.Check != Configuration || f.Status != Failed || f.Message != want {
					t.Errorf("got %+v, want %s", f, want)
				}
			}
			for _, f := range findings[len(test.want):] {
				if f.Status != Skipped || f.Check == Configuration {
					t.Errorf("got %+v, want the other checks skipped", f)
				}
			}
		})
	}
}
