package integration

import (
	"testing"
)

// TestTwoAccounts: each call is signed by the account that the event names, and the accounts do not wait for each other:
// the same order of both has two places in the order of events, and the same id of both reaches the platform twice.
func TestTwoAccounts(t *testing.T) {
	t.Parallel()
	r := twoAccounts(t)
	want := map[string]int{}
	for _, k := range kinds {
		mine := k.event(1)
		theirs := k.event(1).by(otherAccount)
		if k != create {
			theirs.named(mine.id)
		}
		blank := k.event(2).header("ce_topaccount", " ") // as if it were absent
		nobody := k.event(3).by("nobody")
		r.publish(mine, theirs, blank, nobody)
		want[k.name+" delivered"], want[k.name+" unknown_account"] = 3, 1
	}
	r.start()
	r.await(20)
	r.stop()
	fates := r.audit(claims{})
	r.expect(fates, want)
	for _, f := range fates {
		key := map[string]string{"default": appKey, otherAccount: otherKey}[f.account]
		for _, x := range f.Calls {
			if x.AppKey != key {
				t.Errorf("%s: signed with app key %s, want %s of account %s", &f, x.AppKey, key, f.account)
			}
			if needs := f.kind == logistics || f.kind == create; x.Session != needs {
				t.Errorf("%s: session sent: %v, want %v", &f, x.Session, needs)
			}
		}
	}
}
