package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/broker/embedded"
	"github.com/toprelay/worker/internal/broker/recordjson"
	"github.com/toprelay/worker/internal/event"
)

func syncData(order string) string {
	return fmt.Sprintf(`{"provider_order_create_time":"2024-11-22 00:00:00","provider_order_code":%q,`+
		`"provider_order_update_time":"2024-11-22 00:10:00","service_code":"x","provider_order_type":1,"biz_order_code":"B","biz_order_type":1}`, order)
}

var bothTopics = map[string]embedded.Topic{"top.status-changes": {Partitions: 3}, "top.work-orders": {Partitions: 3}}

func writeLines(t *testing.T, lines ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "lines.jsonl")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func reportOf(t *testing.T, stdout string) publishReport {
	t.Helper()
	var r publishReport
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	return r
}

func TestPublish(t *testing.T) {
	t.Parallel()
	addr := startBroker(t, bothTopics)
	file := writeLines(t,
		`{"topic":"top.status-changes","key":"mine","headers":{"traceparent":"00-1","none":null,"empty":""},`+
			`"type":"top.workorder.sync.v1","source":"/wms/1","id":"1","n":1.50,"data":`+syncData("WO1")+`}`,
		"",
		goodEvent("2", "WO2"),
	)
	code, stdout, stderr := worker(t, "", "publish", file, "--brokers", addr, "-o", "json")
	if r := reportOf(t, stdout); code != exitOK || r.Lines != 2 || r.Published != 2 || r.Topics["top.work-orders"] != 1 {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	routed := one(t, addr, "top.status-changes")
	if string(routed.Key) != "mine" {
		t.Errorf("key %q, want the one of the line", routed.Key)
	}
	wantHeaders := []event.Header{
		{Key: "content-type", Value: []byte("application/cloudevents+json; charset=UTF-8")},
		{Key: "traceparent", Value: []byte("00-1")}, {Key: "none"}, {Key: "empty", Value: []byte{}},
	}
	if len(routed.Headers) != len(wantHeaders) {
		t.Fatalf("headers %v", routed.Headers)
	}
	for i, want := range wantHeaders {
		if h := routed.Headers[i]; h.Key != want.Key || string(h.Value) != string(want.Value) || (h.Value == nil) != (want.Value == nil) {
			t.Errorf("header %+v, want %+v", h, want)
		}
	}
	wantValue := `{"type":"top.workorder.sync.v1","source":"/wms/1","id":"1","n":1.50,"data":` + syncData("WO1") + `,"specversion":"1.0"}`
	if string(routed.Value) != wantValue {
		t.Errorf("value %s\nwant  %s", routed.Value, wantValue)
	}
	if r := one(t, addr, "top.work-orders"); string(r.Key) != "WO2" {
		t.Errorf("key %q, want the ordering key", r.Key)
	}
}

func TestPublishSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	addr := startBroker(t, bothTopics)
	lines := []string{
		goodEvent("1", "WO1"),
		`{"type":"top.workorder.sync.v1","source":"/wms/1","id":"2","data":{"provider_order_code":"WO2"}}`,
		`not json`,
		`{"type":"nobody.knows","source":"/wms/1","id":"4","data":{}}`,
		`{"key":7,"type":"top.workorder.sync.v1","source":"/wms/1","id":"5","data":` + syncData("WO5") + `}`,
		`{"headers":{"Content-Type":"text/plain"},"type":"top.workorder.sync.v1","source":"/wms/1","id":"6","data":` + syncData("WO6") + `}`,
		`{"type":"top.workorder.sync.v1","source":"/wms/1","data":` + syncData("WO7") + `}`,
		goodEvent("8", "WO8"),
	}
	code, stdout, stderr := worker(t, strings.Join(lines, "\n"), "publish", "-", "--brokers", addr, "-o", "json")
	r := reportOf(t, stdout)
	if code != exitPartly || r.Published != 2 || r.Bad != 6 || len(r.Problems) != 6 {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	wants := []string{
		"stdin:2: invalid_data at /", "stdin:3: malformed_event: ", "stdin:4: unknown_type: ", "stdin:5: bad_line: key is not a string",
		"stdin:6: bad_line: headers: content-type", "stdin:7: malformed_event: ",
	}
	got := strings.Split(stderr, "\n")
	for i, want := range wants {
		if !strings.HasPrefix(got[i], want) {
			t.Errorf("line %q, want it to begin with %q", got[i], want)
		}
	}
	if !strings.Contains(stderr, `(id "2")`) || strings.Contains(stderr, "WO2") {
		t.Errorf("it names the event by its id, without values of its data: %s", stderr)
	}
	var all []string
	for _, rs := range recordsOf(t, addr, "top.work-orders") {
		all = append(all, values(rs)...)
	}
	if len(all) != 2 {
		t.Errorf("%d records, want the 2 good ones", len(all))
	}
}

// A topic that does not exist is the fault of its line: the others are written.
func TestPublishToATopicThatIsMissing(t *testing.T) {
	t.Parallel()
	addr := startBroker(t, bothTopics)
	lines := []string{
		goodEvent("1", "WO1"),
		strings.Replace(goodEvent("2", "WO2"), "{", `{"topic":"no.such.topic",`, 1),
		goodEvent("3", "WO3"),
	}
	code, stdout, stderr := worker(t, strings.Join(lines, "\n"), "publish", "-", "--brokers", addr, "-o", "json")
	r := reportOf(t, stdout)
	if code != exitPartly || r.Published != 2 || r.Bad != 1 || r.Failed != 0 || len(r.Problems) != 1 {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	want := "Kafka has no topic no.such.topic: correct topic, --route or --topic, or create it"
	if p := r.Problems[0]; p.Line != 2 || p.Reason != "refused" || p.Message != want {
		t.Errorf("got %+v, want line 2 refused: %s", p, want)
	}
}

func TestPublishExitCodes(t *testing.T) {
	t.Parallel()
	addr := startBroker(t, bothTopics)
	bad := `{"type":"nobody.knows","source":"/wms/1","id":"1","data":{}}`
	for name, test := range map[string]struct {
		stdin string
		args  []string
		code  int
		says  string
	}{
		"all bad":           {bad, nil, exitFailed, "none of 1 lines"},
		"nothing":           {"\n\n", nil, exitFailed, "holds no lines"},
		"bad but wanted":    {bad, []string{"--no-validate"}, exitOK, ""},
		"missing topic":     {goodEvent("1", "W"), []string{"--topic", "missing"}, exitFailed, "correct topic, --route or --topic, or create it"},
		"impossible topic":  {goodEvent("1", "W"), []string{"--topic", "no/such"}, exitFailed, "correct topic, --route or --topic, or create it"},
		"bad route":         {bad, []string{"--route", "x"}, exitUsage, "TYPE=TOPIC"},
		"unknown route":     {bad, []string{"--route", "nobody.knows=a"}, exitUsage, "the type nobody.knows is not in the catalogue"},
		"wanted route":      {bad, []string{"--route", "nobody.knows=top.work-orders", "--no-validate"}, exitOK, ""},
		"raw with a route":  {bad, []string{"--raw", "--route", "a=b"}, exitUsage, "--raw"},
		"no topic for type": {goodEvent("1", "W"), []string{"--set", "kafka.topics=a,b"}, exitFailed, "no topic"},
		"one topic for all": {goodEvent("1", "W"), []string{"--set", "kafka.topics=top.status-changes"}, exitOK, ""},
		"by route":          {goodEvent("1", "W"), []string{"--route", "top.workorder.sync.v1=top.status-changes", "--topic", "missing"}, exitOK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := worker(t, test.stdin, append([]string{"publish", "-", "--brokers", addr}, test.args...)...)
			if code != test.code || !strings.Contains(stderr, test.says) {
				t.Errorf("exit %d, %s; want %d and %q", code, stderr, test.code, test.says)
			}
		})
	}
	if code, _, _ := worker(t, "", "publish", "/no/such/file", "--brokers", addr); code != exitUsage {
		t.Errorf("a file that is not there: exit %d", code)
	}
}

func TestPublishDryRun(t *testing.T) {
	t.Parallel()
	// Kafka is not asked at all.
	code, stdout, stderr := worker(t, goodEvent("1", "W"), "publish", "-", "--brokers", "127.0.0.1:1", "--dry-run")
	if code != exitOK || !strings.Contains(stdout, "WOULD BE PUBLISHED") || !strings.Contains(stdout, "top.work-orders") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
}

func TestPublishRaw(t *testing.T) {
	t.Parallel()
	addr := startBroker(t, bothTopics)
	in := []event.Record{
		{Topic: "top.work-orders", Partition: 2, Offset: 42, Key: []byte{}, Value: nil},
		{Topic: "top.work-orders", Partition: 2, Key: []byte{0xff, 0}, Value: []byte("{\"a\": 1.50}"),
			Headers: []event.Header{{Key: "b", Value: []byte{0, 0, 0, 7}}, {Key: "a"}, {Key: "b", Value: []byte{}}}},
	}
	var lines []string
	for i := range in {
		text, err := recordjson.Marshal(&in[i])
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(text))
	}
	lines = append(lines, `{"topic":"top.work-orders","partition":9,"value":"v"}`, `{"value":"v"}`, `{"topic":"top.work-orders","valu":"v"}`)
	code, stdout, stderr := worker(t, "", "publish", writeLines(t, lines...), "--brokers", addr, "--raw", "-o", "json")
	if r := reportOf(t, stdout); code != exitPartly || r.Published != 2 || r.Bad != 3 {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	for _, want := range []string{":3: refused: ", "no such partition: 9 of 3", ":4: bad_line: no topic", ":5: bad_line: json: unknown field"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("it does not say %q: %s", want, stderr)
		}
	}
	got := recordsOf(t, addr, "top.work-orders")[2]
	if len(got) != 2 {
		t.Fatalf("%d records in partition 2, want 2", len(got))
	}
	for i := range got {
		got[i].Offset, got[i].Time, in[i].Offset = 0, in[i].Time, 0
		a, errA := recordjson.Marshal(&got[i])
		b, errB := recordjson.Marshal(&in[i])
		if string(a) != string(b) || errA != nil || errB != nil {
			t.Errorf("got  %s, %v\nwant %s, %v", a, errA, b, errB)
		}
	}
}

// More lines than one chunk: all arrive, those of a key in the order of the file.
func TestPublishKeepsTheOrderOfKeys(t *testing.T) {
	t.Parallel()
	addr := startBroker(t, bothTopics)
	const n, orders = 2*chunkLines + 500, 40
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s\n", goodEvent(fmt.Sprintf("%06d", i), fmt.Sprintf("WO%d", i%orders)))
	}
	code, stdout, stderr := worker(t, b.String(), "publish", "-", "--brokers", addr)
	if code != exitOK {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	count := 0
	for _, rs := range recordsOf(t, addr, "top.work-orders") {
		count += len(rs)
		ids := map[string][]string{}
		for _, r := range rs {
			var e struct{ ID string }
			if err := json.Unmarshal(r.Value, &e); err != nil {
				t.Fatal(err)
			}
			ids[string(r.Key)] = append(ids[string(r.Key)], e.ID)
		}
		for key, of := range ids {
			if !slices.IsSorted(of) {
				t.Errorf("the events of %s are not in the order of the file", key)
			}
		}
	}
	if count != n {
		t.Errorf("%d records, want %d", count, n)
	}
}
