package schemas

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func asyncAPI(t *testing.T) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := yaml.Unmarshal(AsyncAPI, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func in(t *testing.T, doc any, names ...string) any {
	t.Helper()
	for _, name := range names {
		object, is := doc.(map[string]any)
		if !is || object[name] == nil {
			t.Fatalf("%v is not there", names)
		}
		doc = object[name]
	}
	return doc
}

func namesIn(t *testing.T, doc any, names ...string) []string {
	t.Helper()
	var out []string
	for name := range in(t, doc, names...).(map[string]any) {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// each calls visit with every object below value.
func each(value any, visit func(map[string]any)) {
	switch v := value.(type) {
	case map[string]any:
		visit(v)
		for _, member := range v {
			each(member, visit)
		}
	case []any:
		for _, item := range v {
			each(item, visit)
		}
	}
}

func TestAsyncAPIReferencesResolve(t *testing.T) {
	doc := asyncAPI(t)
	if version := fmt.Sprint(doc["asyncapi"]); !strings.HasPrefix(version, "3.") {
		t.Errorf("asyncapi %s", version)
	}
	count := 0
	each(doc, func(object map[string]any) {
		ref, is := object["$ref"].(string)
		if !is {
			return
		}
		count++
		if len(object) != 1 {
			t.Errorf("%s: something stands beside a reference, and is ignored", ref)
		}
		if local, is := strings.CutPrefix(ref, "#/"); is {
			in(t, doc, strings.Split(local, "/")...)
		} else if _, err := os.Stat(ref); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	})
	if count < 40 {
		t.Errorf("only %d references were found", count)
	}
}

// The topics are the contract's default names.
func TestAsyncAPITopics(t *testing.T) {
	doc := asyncAPI(t)
	var topics []string
	for _, name := range namesIn(t, doc, "channels") {
		address := in(t, doc, "channels", name, "address").(string)
		topics = append(topics, address)
		if topic := in(t, doc, "channels", name, "bindings", "kafka", "topic"); topic != address {
			t.Errorf("channel %s: address %s, topic %s", name, address, topic)
		}
	}
	slices.Sort(topics)
	want := []string{"top.dead-letters", "top.dead-letters.actions", "top.inbound.work-orders", "top.results",
		"top.status-changes", "top.work-orders"}
	if !slices.Equal(topics, want) {
		t.Errorf("topics %v, want %v", topics, want)
	}
	directions := map[string][]string{}
	for _, name := range namesIn(t, doc, "operations") {
		channel := in(t, doc, "operations", name, "channel", "$ref").(string)
		channel = strings.TrimPrefix(channel, "#/channels/")
		topic := in(t, doc, "channels", channel, "address").(string)
		directions[topic] = append(directions[topic], in(t, doc, "operations", name, "action").(string))
		for _, message := range in(t, doc, "operations", name, "messages").([]any) {
			if ref := message.(map[string]any)["$ref"].(string); !strings.HasPrefix(ref, "#/channels/"+channel+"/") {
				t.Errorf("operation %s: the message %s is of another channel", name, ref)
			}
		}
	}
	wantDirections := map[string][]string{
		"top.status-changes": {"receive"}, "top.work-orders": {"receive"}, "top.dead-letters": {"send"},
		"top.dead-letters.actions": {"receive", "send"}, "top.results": {"send"}, "top.inbound.work-orders": {"send"},
	}
	for topic := range directions {
		slices.Sort(directions[topic])
	}
	if !reflect.DeepEqual(directions, wantDirections) {
		t.Errorf("directions %v, want %v", directions, wantDirections)
	}
}

// Every type of the catalogue has its message, on both consumed topics, with its schema file as the payload.
func TestAsyncAPIMessages(t *testing.T) {
	doc := asyncAPI(t)
	byType := map[string]string{}
	for _, name := range namesIn(t, doc, "components", "messages") {
		byType[in(t, doc, "components", "messages", name, "name").(string)] = name
	}
	for _, typ := range load(t).Types() {
		message, is := byType[typ.Name]
		if !is {
			t.Errorf("%s has no message", typ.Name)
			continue
		}
		if ref := in(t, doc, "components", "messages", message, "payload", "$ref"); ref != typ.Name+fileSuffix {
			t.Errorf("%s: payload %v", typ.Name, ref)
		}
		headers := in(t, doc, "components", "messages", message, "headers", "allOf").([]any)
		if ceType := in(t, headers[1], "properties", "ce_type", "const"); ceType != typ.Name {
			t.Errorf("%s: ce_type %v", typ.Name, ceType)
		}
		if title := in(t, doc, "components", "messages", message, "title"); title != typ.Title {
			t.Errorf("%s: title %q, the schema says %q", typ.Name, title, typ.Title)
		}
		for _, channel := range []string{"statusChanges", "workOrders"} {
			in(t, doc, "channels", channel, "messages", message)
		}
		inEnvelope := false
		for _, form := range in(t, doc, "components", "schemas", "envelope", "oneOf").([]any) {
			if in(t, form, "properties", "type", "const") == typ.Name {
				inEnvelope = in(t, form, "properties", "data", "$ref") == typ.Name+fileSuffix
			}
		}
		if !inEnvelope {
			t.Errorf("%s is not in the envelope", typ.Name)
		}
	}
}

// Every header of the dead letters is there, and the reasons are those of the program.
func TestAsyncAPIDeadLetters(t *testing.T) {
	doc := asyncAPI(t)
	want := strings.Fields(`kafka_dlt-original-topic kafka_dlt-original-partition kafka_dlt-original-offset
		kafka_dlt-original-timestamp kafka_dlt-original-consumer-group kafka_dlt-exception-fqcn kafka_dlt-exception-message
		toprelay-id toprelay-reason toprelay-pointer toprelay-type toprelay-key toprelay-event-id toprelay-account
		toprelay-method toprelay-code toprelay-sub-code toprelay-request-id toprelay-attempts toprelay-ambiguous
		toprelay-first-failed-at toprelay-failed-at toprelay-replays toprelay-version toprelay-size toprelay-sha256 toprelay-truncated`)
	slices.Sort(want)
	if got := namesIn(t, doc, "components", "schemas", "deadLetterHeaders", "properties"); !slices.Equal(got, want) {
		t.Errorf("headers %v, want %v", got, want)
	}
	var reasons []any
	for _, reason := range strings.Fields(`malformed_event unsupported_format unknown_type invalid_data oversized expired
		unknown_account idempotency_conflict rejected retries_exhausted outcome_unknown held shed`) {
		reasons = append(reasons, reason)
	}
	got := in(t, doc, "components", "schemas", "deadLetterHeaders", "properties", "toprelay-reason", "enum")
	if !reflect.DeepEqual(got, reasons) {
		t.Errorf("reasons %v, want %v", got, reasons)
	}
	for _, name := range strings.Fields(`event_id event_source event_type account key outcome reason method code sub_code
		message request_id attempts reply`) {
		in(t, doc, "components", "schemas", "result", "properties", name)
	}
	for _, name := range strings.Fields("toprelay-replay-of toprelay-origin toprelay-replays ce_topaccount ce_expirytime") {
		in(t, doc, "components", "schemas", "eventHeaders", "properties", name)
	}
}

// TestSchemaFilesReadAlike: a plain validator of draft 2020-12, one of draft-07 (which is what tools for AsyncAPI have),
// and Check agree on the examples, as far as the schema language can say it.
func TestSchemaFilesReadAlike(t *testing.T) {
	c := load(t)
	examples, err := Examples()
	if err != nil {
		t.Fatal(err)
	}
	// What only Check sees: an unparsable time of the right form, and what the encoding cannot carry.
	finer := []string{"bad-no-such-day", "bad-hour-24", "bad-comma-in-a-list", "bad-character-for-xml", "bad-properties-not-json",
		"bad-content-blank", "bad-id-blank"}
	for _, typ := range c.Types() {
		newer := plainSchema(t, typ, draft)
		older := plainSchema(t, typ, "http://json-schema.org/draft-07/schema#")
		for _, e := range examples {
			if e.Type != typ.Name {
				continue
			}
			data := in(t, decode(t, string(e.Event)), "data")
			want := e.Good || e.Reason != "invalid_data" || slices.Contains(finer, e.Name)
			for name, schema := range map[string]*jsonschema.Schema{"2020-12": newer, "draft-07": older} {
				if err := schema.Validate(data); (err == nil) != want {
					t.Errorf("%s/%s as %s: %v, want accepted = %v", typ.Name, e.Name, name, err, want)
				}
			}
		}
	}
}

func plainSchema(t *testing.T, typ *Type, version string) *jsonschema.Schema {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(typ.Source, &doc); err != nil {
		t.Fatal(err)
	}
	doc["$schema"] = version
	delete(doc, "$id")
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema:///"+filepath.Base(typ.Name), doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("schema:///" + typ.Name)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
