package check

import (
	"errors"
	"strings"

	"github.com/toprelay/worker/internal/config"
)

// Unreadable is the report where the configuration could not be loaded: a failure for each thing that is wrong with it.
// The other checks have nothing to go by.
func Unreadable(err error) []Finding {
	r := run{name: Configuration}
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			r.fail(BadConfiguration, p.String(), "")
		}
	} else {
		r.fail(BadConfiguration, strings.TrimPrefix(err.Error(), "bad configuration: "), "give the path of a file that can be read, with --config or TOPRELAY_CONFIG")
	}
	for _, name := range Names() {
		if r.name = name; name != Configuration {
			r.skip("not looked at: the configuration cannot be read")
		}
	}
	return r.findings
}
