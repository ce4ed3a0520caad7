package schemas

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestExamples checks each example as far as data decides: the good ones pass, the bad ones fail for what they say.
func TestExamples(t *testing.T) {
	c := load(t)
	all, err := Examples()
	if err != nil {
		t.Fatal(err)
	}
	good, bad := map[string]int{}, map[string]int{}
	reasons := map[string]bool{}
	ids := map[string]string{}
	for _, e := range all {
		t.Run(e.Type+"/"+e.Name, func(t *testing.T) {
			typ, known := c.Type(e.Type)
			if !known {
				t.Fatalf("no type %s", e.Type)
			}
			envelope := decode(t, string(e.Event))
			id, _ := envelope["id"].(string)
			if other := ids[id]; other != "" && id != "" {
				t.Errorf("the id %s is that of %s too", id, other)
			}
			ids[id] = e.Name
			data, _ := envelope["data"].(map[string]any)
			_, v := typ.Check(data, UnknownReject)
			if e.Good {
				good[e.Type]++
				if v != nil {
					t.Fatalf("refused: %v", v)
				}
				if envelope["type"] != e.Type {
					t.Errorf("it is an event of the type %v", envelope["type"])
				}
				return
			}
			bad[e.Type]++
			reasons[e.Reason] = true
			if e.Reason != "invalid_data" {
				if v != nil {
					t.Errorf("meant to be %s, but its data is invalid: %v", e.Reason, v)
				}
				return
			}
			if v == nil {
				t.Fatal("accepted")
			}
			if v.Pointer != e.Pointer {
				t.Errorf("pointer %q, want %q (%s)", v.Pointer, e.Pointer, v.Message)
			}
		})
	}
	for _, typ := range c.Types() {
		if good[typ.Name] < 3 || bad[typ.Name] < 3 {
			t.Errorf("%s has %d good and %d bad examples, want several of each", typ.Name, good[typ.Name], bad[typ.Name])
		}
	}
	for _, reason := range []string{"invalid_data", "malformed_event", "unsupported_format", "unknown_type", "unknown_account", "expired"} {
		if !reasons[reason] {
			t.Errorf("no example of %s", reason)
		}
	}
}

// The examples are public: only invented mobile numbers, which end in zeros.
func TestExamplesHoldNoRealNumbers(t *testing.T) {
	all, err := Examples()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		var envelope map[string]any
		if err := json.Unmarshal(e.Event, &envelope); err != nil {
			t.Fatal(err)
		}
		for _, text := range leaves(envelope) {
			if len(text) == 11 && strings.HasPrefix(text, "1") && !strings.HasSuffix(text, "0000") {
				t.Errorf("%s/%s holds what may be a real mobile number", e.Type, e.Name)
			}
		}
	}
}

// leaves returns all texts below value.
func leaves(value any) []string {
	switch v := value.(type) {
	case map[string]any:
		var out []string
		for _, member := range v {
			out = append(out, leaves(member)...)
		}
		return out
	case []any:
		var out []string
		for _, item := range v {
			out = append(out, leaves(item)...)
		}
		return out
	case string:
		return []string{v}
	default:
		return nil
	}
}
