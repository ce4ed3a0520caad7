package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/simulator"
	"github.com/toprelay/worker/schemas"
)

// TestBusinessCodes: a business failure is the event's own fault, but for the codes that the API or the operator calls
// transient, and those that say that the platform has it already.
func TestBusinessCodes(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{partitions: 1})
	r.configure("methods."+workSync.method+".transient_codes=BUSY,LATER", "methods."+workSync.method+".duplicate_codes=HAVE_IT")
	business := func(e *ev, times int, fields map[string]any) simulator.Fault {
		return simulator.Fault{Match: simulator.Match{Key: e.key}, Times: times, Action: simulator.Action{Business: fields}}
	}
	shipped, configured, had, closed := workSync.event(1), workSync.event(2), workSync.event(3), workSync.event(4)
	ovs := delivery.event(5)
	r.gateway.faults(
		business(shipped, 2, map[string]any{"success": false, "error_code": "SYSTEM_ERROR"}),
		business(configured, 2, map[string]any{"success": false, "error_code": "LATER"}),
		business(had, 1, map[string]any{"success": false, "error_code": "HAVE_IT"}),
		business(closed, 1, map[string]any{"success": false, "error_code": "CLOSED"}),
		business(ovs, 2, map[string]any{"success": false, "fail_code": "1100"}),
	)
	r.publish(shipped, configured, had, closed, ovs, had.again())
	r.start()
	r.await(6)
	r.stop()
	calls := map[string]int{}
	for _, x := range r.gateway.log() {
		calls[x.Mark]++
	}
	for e, want := range map[*ev]int{shipped: 3, configured: 3, had: 1, closed: 1, ovs: 3} {
		if calls[e.mark] != want {
			t.Errorf("%d calls of order %s, want %d", calls[e.mark], e.key, want)
		}
	}
	letters := r.letters()
	if len(letters) != 1 || header(letters[0], "toprelay-code") != "CLOSED" || header(letters[0], "toprelay-reason") != "rejected" {
		t.Errorf("%d dead letters, want the one of CLOSED", len(letters))
	}
	r.metric(map[string]float64{
		`events_settled_total{outcome="delivered",type="` + workSync.typ + `"}`: 3,
		`events_settled_total{outcome="duplicate",type="` + workSync.typ + `"}`: 1,
		`events_settled_total{outcome="delivered",type="` + delivery.typ + `"}`: 1,
	})
}

// TestUnknownFields: they are refused, dropped and counted, or sent, as the type's configuration says.
func TestUnknownFields(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"reject", "drop", "send"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			r := newRelay(t, setup{partitions: 1})
			r.configure("types." + logistics.typ + ".unknown_fields=" + how)
			// A system parameter's name never gets through.
			e := logistics.event(1).and(map[string]any{"warehouse": "HZ1"})
			system := logistics.event(2).and(map[string]any{"app_key": "1", "warehouse": "HZ1"})
			r.publish(e, system)
			r.start()
			r.await(2)
			r.stop()
			fates := r.audit(claims{})
			sent := map[string]string{}
			for _, c := range r.gateway.sim.Calls() {
				sent[c.Key] = c.Params["warehouse"]
				if c.AppKey != appKey {
					t.Errorf("signed with app key %s, which came from the event", c.AppKey)
				}
			}
			switch how {
			case "reject":
				r.expect(fates, map[string]int{"logistics invalid_data": 2})
				if p := header(r.letterOf(fates, e), "toprelay-pointer"); p != "/warehouse" {
					t.Errorf("pointer %s", p)
				}
			case "drop":
				r.expect(fates, map[string]int{"logistics delivered": 2})
				if sent["1"] != "" || sent["2"] != "" {
					t.Errorf("sent %q", sent)
				}
				r.metric(map[string]float64{`fields_dropped_total{type="` + logistics.typ + `"}`: 3})
			case "send":
				if sent["1"] != "HZ1" {
					t.Errorf("sent %q", sent)
				}
			}
		})
	}
}

// TestSixthType: one schema file in schemas_dir, and no Go code, adds another API of the platform.
func TestSixthType(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const typ, method = "top.parcel.weighed.v1", "taobao.logistics.parcel.weigh"
	text := fmt.Sprintf(`{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "https://example.com/%[1]s.schema.json",
  "title": "Weight of a parcel",
  "description": "A parcel was weighed.",
  "x-top": {
    "method": %[2]q, "encoding": "form", "session": false, "repeatable": true, "key": ["/parcel"],
    "superseded": "send", "reply": {"success": "/success", "code": "/code", "message": "/text"}
  },
  "type": "object", "additionalProperties": false, "required": ["parcel", "grams"],
  "properties": {
    "parcel": {"type": "string", "description": "Number of the parcel."},
    "grams": {"type": "integer", "format": "int64", "description": "Weight in grams."},
    "note": {"type": "string", "description": "Note."}
  }
}`, typ, method)
	if err := os.WriteFile(filepath.Join(dir, typ+".schema.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	catalogue, err := schemas.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	sixth := &kind{
		name: "weigh", typ: typ, method: method, repeatable: true,
		data: func(order int, mark string) map[string]any {
			return map[string]any{"parcel": fmt.Sprintf("W%d", order), "grams": 1200, "note": mark}
		},
		key: func(order int) string { return fmt.Sprintf("W%d", order) },
	}
	r := newRelay(t, setup{catalogue: catalogue})
	r.configure("schemas_dir=" + dir)
	good := sixth.event(1)
	r.publish(good, good.again(), sixth.event(2).and(map[string]any{"grams": "heavy"}), logistics.event(1))
	r.start()
	r.await(4)
	r.stop()
	fates := r.audit(claims{})
	r.expect(fates, map[string]int{"weigh delivered": 1, "weigh duplicate": 1, "weigh invalid_data": 1, "logistics delivered": 1})
	r.metric(map[string]float64{fmt.Sprintf(`requests_total{method=%q,result="ok"}`, method): 1})
	if calls := of(r.gateway.log(), byMethod(method)); len(calls) != 1 || !strings.Contains(calls[0].Reply, "parcel_weigh") {
		t.Errorf("calls of the sixth API: %v", calls)
	}
}
