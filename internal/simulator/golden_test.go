package simulator

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/toprelay/worker/schemas"
)

// The golden examples say what a client puts on the wire for an event: the simulator must accept all of it.
func TestGoldenCallsAreAccepted(t *testing.T) {
	files, err := filepath.Glob("../../schemas/testdata/golden/top.*.json")
	if err != nil || len(files) != 5 {
		t.Fatalf("%d files of golden examples, want 5 (%v)", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var examples []struct {
			Name   string
			Expect struct {
				Outcome, Method string
				Session         bool
				Params          map[string]string
				XMLBody         *string `json:"xml_body"`
			}
		}
		if err := json.Unmarshal(text, &examples); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, example := range examples {
			if example.Expect.Outcome != "delivered" {
				continue
			}
			t.Run(example.Name, func(t *testing.T) {
				d := newDraft(example.Expect.Method, example.Expect.Params, nil)
				if example.Expect.XMLBody != nil {
					d = issue(*example.Expect.XMLBody)
				}
				if !example.Expect.Session {
					d.system["session"] = "-"
				}
				r := newRig(t, nil)
				if body := r.body(d); !strings.Contains(body, `success":true`) || !r.lastCall().Accepted {
					t.Error(body)
				}
			})
		}
	}
}

// A schema file is all that a further API needs here too.
func TestAnotherAPI(t *testing.T) {
	schema, err := os.ReadFile("../../schemas/top.logisticsorder.status.v1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	renamed := strings.NewReplacer(methodUpdate, "taobao.another.thing.do", "top.logisticsorder.status.v1", "top.another.v1").Replace(string(schema))
	if err := os.WriteFile(filepath.Join(dir, "top.another.v1.schema.json"), []byte(renamed), 0o600); err != nil {
		t.Fatal(err)
	}
	overlaid, err := schemas.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *Options) { o.Catalogue = overlaid })
	want := `{"another_thing_do_response":{"result":{"success":true},"request_id":"ID"}}`
	if body := r.body(update(map[string]string{"method": "taobao.another.thing.do"})); body != want {
		t.Errorf("%s\nwant %s", body, want)
	}
	wantCode(t, r.body(update(map[string]string{"method": "taobao.another.thing.do", "weight": "x"})), 41, "isv.invalid-parameter:weight")
}
