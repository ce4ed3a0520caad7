package check

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// sessions says which accounts have no session, though there are types whose calls need one.
func (r *run) sessions(context.Context) {
	if r.catalogue == nil {
		r.skip("not looked at: see configuration")
		return
	}
	var need []string
	used := false
	for _, t := range r.catalogue.Types() {
		if t.Session {
			need = append(need, t.Name)
			used = used || r.inUse(t.Name, t.Method)
		}
	}
	switch {
	case len(r.Config.Top.Accounts) == 0:
		r.skip("there is no account")
		return
	case len(need) == 0:
		r.ok("no event type needs one")
		return
	}
	lacking := 0
	for _, name := range slices.Sorted(maps.Keys(r.Config.Top.Accounts)) {
		if r.Config.Top.Accounts[name].SessionFile != "" {
			continue
		}
		lacking++
		message := fmt.Sprintf("account %s has none: its events of %s would wait", name, strings.Join(need, ", "))
		advice := fmt.Sprintf("write the session into a file and name it in top.accounts.%s.session_file", name)
		if used {
			r.fail(Fault, message, advice)
		} else {
			r.warn(message, advice)
		}
	}
	if lacking == 0 {
		r.ok("%s with a session", count(len(r.Config.Top.Accounts), "account"))
	}
}

// inUse says whether the configuration itself speaks of the type, so that its events are to be expected.
func (r *run) inUse(name, method string) bool {
	for _, t := range r.Config.Kafka.Topics {
		if t.Plain != nil && t.Plain.Type == name {
			return true
		}
	}
	_, ofType := r.Config.Types[name]
	_, ofMethod := r.Config.Methods[method]
	return ofType || ofMethod
}
