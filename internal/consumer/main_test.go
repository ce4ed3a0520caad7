package consumer

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/toprelay/worker/schemas"
)

// catalogue is the embedded one. It is read before the first test, outside of every bubble.
var catalogue *schemas.Catalogue

func TestMain(m *testing.M) {
	var err error
	if catalogue, err = schemas.Load(""); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
