package docs

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/deadletter"
	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/results"
	"github.com/toprelay/worker/schemas"
)

// described is what schemas/asyncapi.yaml says of a record's headers or data.
func described(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	var doc struct {
		Components struct{ Schemas map[string]any }
	}
	if err := yaml.Unmarshal(schemas.AsyncAPI, &doc); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(doc.Components.Schemas[name]) // so that its numbers are those of JSON
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("schema:///"+name, schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("schema:///" + name)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// TestLettersAreAsDescribed compares letters as the worker writes them with the description: no header is missing there.
func TestLettersAreAsDescribed(t *testing.T) {
	schema := described(t, "deadLetterHeaders")
	origin := &event.Record{Topic: "t", Key: []byte(strings.Repeat("k", 2000)), Value: []byte("v"), Headers: []event.Header{{Key: "a", Value: make([]byte, 2000)}}}
	full := deadletter.Envelope(consumer.Letter{
		Record: origin, Reason: event.ReasonInvalidData, Pointer: "/a", Message: "m", Type: "y", Key: "k", EventID: "e", Account: "default",
		Method: "m", Code: "15", SubCode: "isv.x", RequestID: "r", Attempts: 1, FirstFailedAt: time.Now(), FailedAt: time.Now(),
	}, "group", "v1")
	least := deadletter.Envelope(consumer.Letter{Record: origin, Reason: event.ReasonMalformedEvent, FailedAt: time.Now()}, "group", "v1")
	for name, letter := range map[string]event.Record{
		"full": full, "least": least,
		"a reference":                  deadletter.Reference(full, origin, 1<<20),
		"a reference without headers":  deadletter.Reference(full, origin, 4000),
		"a reference without anything": deadletter.Reference(full, origin, 1000),
	} {
		headers := map[string]any{}
		for _, h := range letter.Headers {
			if h.Key == "a" { // the event's own
				continue
			}
			if schema.Properties[h.Key] == nil {
				t.Errorf("%s: the header %s is not described", name, h.Key)
			}
			headers[h.Key] = string(h.Value)
		}
		if err := schema.Validate(headers); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// kept is a producer that keeps what is written.
type kept struct{ value []byte }

func (k *kept) Write(_ context.Context, _ string, _ int, r event.Record) error {
	k.value = r.Value
	return nil
}

func TestResultsAreAsDescribed(t *testing.T) {
	schema := described(t, "result")
	for name, result := range map[string]consumer.Result{
		"a reply":  {Outcome: "delivered", Attempts: 1, Reply: []byte(`{"service_order_id":1}`)},
		"no reply": {Outcome: "dead_lettered", Reason: "invalid_data"},
	} {
		result.Record = &event.Record{Topic: "t"}
		var written kept
		if err := results.NewWriter(&written, results.Options{Group: "g", Timeout: time.Second}).Write(t.Context(), result); err != nil {
			t.Fatal(err)
		}
		data, err := jsonschema.UnmarshalJSON(strings.NewReader(string(written.value)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var members []string
		for member := range data.(map[string]any) {
			members = append(members, member)
		}
		slices.Sort(members)
		if required := slices.Sorted(slices.Values(schema.Required)); !reflect.DeepEqual(members, required) {
			t.Errorf("%s: it has %v, and %v are said to be there always", name, members, required)
		}
	}
}
