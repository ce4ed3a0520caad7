package integration

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/simulator"
)

// example is a golden example: an event, and what must be on the wire or in the dead letters.
type example struct {
	Name, After string
	Record      struct {
		Key     *string
		Headers map[string]string
		Value   json.RawMessage // text, {"base64": …}, or null
	}
	Expect    *expectation
	ExpectAny []expectation `json:"expect_any"`
}

type expectation struct {
	Outcome    string
	Method     string
	Session    bool
	Params     map[string]string
	JSONParams []string `json:"json_params"`
	XMLBody    *string  `json:"xml_body"`
	Reason     string
	Pointer    *string
}

// TestGolden sends every golden example through a whole worker, one after the other, so that each call and each letter
// is known to be its own.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/golden/*.json")
	if err != nil || len(files) != 6 {
		t.Fatalf("%d files of golden examples, want 6 (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var examples []example
			if err := json.Unmarshal(text, &examples); err != nil {
				t.Fatal(err)
			}
			slices.SortStableFunc(examples, func(a, b example) int { // those that come after others last
				return strings.Compare(a.After[:min(1, len(a.After))], b.After[:min(1, len(b.After))])
			})
			g := &golden{relay: newRelay(t, setup{partitions: 1}), derived: map[string]string{}}
			g.start()
			for i := range examples {
				g.send(&examples[i])
			}
			g.stop()
			if lag := g.lag(); lag != 0 {
				t.Errorf("lag %d", lag)
			}
			if strings.HasSuffix(file, "workorder.sync.v1.json") && g.derived[derivedForEver] == "" {
				t.Errorf("the derived ids are %v, want %s among them", slices.Sorted(maps.Keys(g.derived)), derivedForEver)
			}
		})
	}
}

// golden sends examples and counts what has come of them.
type golden struct {
	*relay
	calls, letters int
	derived        map[string]string // derived ids, by event
}

func (g *golden) send(x *example) {
	g.t.Helper()
	e := raw(x.record(g.t))
	e.topic = []string{g.status(), g.work()}[len(x.Name)%2] // the type decides, not the topic
	g.publish(e)
	settled := g.await(1)[0]
	calls := g.gateway.sim.Calls()[g.calls:]
	letters := g.relay.letters()
	slices.SortStableFunc(letters, func(a, b event.Record) int { return int(a.Offset - b.Offset) })
	letters = letters[g.letters:]
	g.calls, g.letters = g.calls+len(calls), g.letters+len(letters)

	wants := x.ExpectAny
	if x.Expect != nil {
		wants = []expectation{*x.Expect}
	}
	var errs []error
	for _, want := range wants {
		err := g.compare(&want, settled.Outcome.String(), calls, letters)
		if err == nil {
			return
		}
		errs = append(errs, err)
	}
	g.t.Errorf("%s: %v", x.Name, errors.Join(errs...))
}

func (x *example) record(t *testing.T) event.Record {
	t.Helper()
	var r event.Record
	if x.Record.Key != nil {
		r.Key = []byte(*x.Record.Key)
	}
	for _, name := range slices.Sorted(maps.Keys(x.Record.Headers)) {
		r.Headers = append(r.Headers, event.Header{Key: name, Value: []byte(x.Record.Headers[name])})
	}
	var value any
	if err := json.Unmarshal(x.Record.Value, &value); err != nil {
		t.Fatal(err)
	}
	switch v := value.(type) {
	case string:
		r.Value = []byte(v)
	case map[string]any:
		b, err := base64.StdEncoding.DecodeString(v["base64"].(string))
		if err != nil {
			t.Fatal(err)
		}
		r.Value = b
	}
	return r
}

// compare says in what way an example came out otherwise.
func (g *golden) compare(want *expectation, outcome string, calls []simulator.Call, letters []event.Record) error {
	if outcome != want.Outcome {
		return fmt.Errorf("settled as %s, want %s", outcome, want.Outcome)
	}
	counts := [2]int{len(calls), len(letters)}
	switch want.Outcome {
	case "duplicate":
		if counts != [2]int{0, 0} {
			return fmt.Errorf("%d calls and %d letters of a duplicate", counts[0], counts[1])
		}
		return nil
	case "dead_lettered":
		if counts != [2]int{0, 1} {
			return fmt.Errorf("%d calls and %d letters of what must be a dead letter without a call", counts[0], counts[1])
		}
		pointer, there := letters[0].Header("toprelay-pointer")
		switch {
		case header(letters[0], "toprelay-reason") != want.Reason:
			return fmt.Errorf("reason %s, want %s", header(letters[0], "toprelay-reason"), want.Reason)
		case want.Pointer != nil && (!there || string(pointer) != *want.Pointer):
			return fmt.Errorf("pointer %q, want %q", pointer, *want.Pointer)
		}
		return nil
	}
	if counts != [2]int{1, 0} {
		return fmt.Errorf("%d calls and %d letters of a delivered event", counts[0], counts[1])
	}
	return g.compareCall(want, &calls[0])
}

func (g *golden) compareCall(want *expectation, call *simulator.Call) error {
	if !call.Accepted || call.Method != want.Method {
		return fmt.Errorf("method %s, accepted %v; want %s: %s", call.Method, call.Accepted, want.Method, call.Reply)
	}
	if sent := call.Params["session"] != ""; sent != want.Session {
		return fmt.Errorf("session sent: %v, want %v", sent, want.Session)
	}
	got := maps.Clone(call.Params)
	for _, name := range strings.Fields("method app_key session timestamp v format sign_method sign partner_id simplify target_app_key customerId") {
		delete(got, name)
	}
	for _, name := range want.JSONParams {
		a, errA := exactJSON(got[name])
		b, errB := exactJSON(want.Params[name])
		if err := errors.Join(errA, errB); err != nil {
			return fmt.Errorf("parameter %s: %w", name, err)
		}
		if err := g.equal(a, b); err != nil {
			return fmt.Errorf("parameter %s is %s, want %s: %w", name, got[name], want.Params[name], err)
		}
		if compact := compactJSON(got[name]); compact != got[name] {
			return fmt.Errorf("parameter %s is not compact: %s", name, got[name])
		}
		got[name] = want.Params[name]
	}
	if !maps.Equal(got, want.Params) {
		return fmt.Errorf("parameters %q, want %q", got, want.Params)
	}
	if want.XMLBody == nil {
		return nil
	}
	a, errA := tree(call.Body)
	b, errB := tree(*want.XMLBody)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if !reflect.DeepEqual(a, b) {
		return fmt.Errorf("body %s, want %s", call.Body, *want.XMLBody)
	}
	return nil
}
