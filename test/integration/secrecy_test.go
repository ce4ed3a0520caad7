package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/simulator"
)

// TestSecrecy: no personal data and no secret gets into the log, the metrics, the ledger's files, the results, or the
// headers that letters add, not even where the platform echoes it.
func TestSecrecy(t *testing.T) {
	t.Parallel()
	canaries := []string{"13912345678", "欧阳小明", "余杭区文一西路969号", secret, session}
	supplement := func(text string) any { return map[string]any{"field_name": "contact", "field_value": text} }
	people := map[*kind]map[string]any{
		logistics: {"courier_mobile": canaries[0], "courier_name": canaries[1], "comment": canaries[2]},
		delivery:  {"end_mail_no": canaries[0], "open_user_id": canaries[1], "exception_desc": canaries[2]},
		workSync: {"structural_reply": map[string]any{"reply_value": 1, "reply_supplements": []any{
			supplement(canaries[0]), supplement(canaries[1]), supplement(canaries[2]),
		}}},
		issue:  {"extension": canaries[0], "customer_name": canaries[1], "description": canaries[2]},
		create: {"buyer": map[string]any{"mobile": canaries[0], "buyer_name": canaries[1], "full_address": canaries[2]}},
	}
	r := newRelay(t, setup{results: true})
	r.configure("log.level=debug")
	echo := strings.Join(canaries, " | ")
	var faults []simulator.Fault
	want := map[string]int{}
	for _, k := range kinds {
		r.publish(k.event(1).and(people[k]), k.event(2).and(people[k]), k.event(3).and(people[k]), k.event(4).and(people[k]).and(map[string]any{"nonsense": echo}))
		faults = append(faults,
			simulator.Fault{Match: simulator.Match{Key: k.key(2)}, Action: simulator.Action{Business: k.refusal(echo)}},
			simulator.Fault{Match: simulator.Match{Key: k.key(3)}, Times: 1, Action: simulator.Action{Code: 15, SubCode: "isv.bad", Msg: echo, SubMsg: echo}})
		want[k.name+" delivered"], want[k.name+" rejected"], want[k.name+" invalid_data"] = 1, 2, 1
	}
	r.gateway.faults(faults...)
	r.start()
	r.await(4 * len(kinds))
	_, metrics := r.get("/metrics")
	exits := map[string]string{"metrics": metrics}
	r.stop()
	exits["log"] = r.log.String()
	for _, letter := range r.letters() {
		for _, h := range letter.Headers {
			exits["letters' headers"] += h.Key + ": " + string(h.Value) + "\n"
		}
	}
	for _, result := range r.read(r.results()) {
		exits["results"] += string(result.Value) + "\n"
	}
	files, err := filepath.Glob(filepath.Join(r.dir, "ledger.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of the ledger: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		r.must(err)
		exits["ledger"] += string(text)
	}
	for where, text := range exits {
		if text == "" {
			t.Errorf("nothing in the %s: the test shows nothing", where)
		}
		for _, canary := range canaries {
			if i := strings.Index(text, canary); i >= 0 {
				t.Errorf("the %s hold %q: …%q…", where, canary, text[max(0, i-120):min(len(text), i+60)])
			}
		}
	}
	if n := strings.Count(exits["letters' headers"], "isv.bad"); n < len(kinds) {
		t.Errorf("only %d letters tell the code of their refusal", n)
	}
	counts := tally(r.fates())
	for name, n := range want {
		if counts[name] != n {
			t.Errorf("%d events are %s, want %d", counts[name], name, n)
		}
	}
}
