package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/broker/embedded"
	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

// startBroker runs an embedded broker with the default topics, or with those that are given.
func startBroker(t *testing.T, topics map[string]embedded.Topic) string {
	t.Helper()
	b, err := embedded.Start(embedded.Options{Topics: topics})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b.Addrs()[0]
}

// worker runs a command in this process.
func worker(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = execute(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func connect(t *testing.T, addr string) *broker.Client {
	t.Helper()
	c, err := broker.NewClient(broker.Config{Brokers: []string{addr}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// recordsOf reads all records of a topic, by partition.
func recordsOf(t *testing.T, addr, topic string) map[int][]event.Record {
	t.Helper()
	c := connect(t, addr)
	topics, err := c.Topics(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	got := map[int][]event.Record{}
	for p := range topics[topic].Partitions {
		tp := consumer.TopicPartition{Topic: topic, Partition: p}
		spans, err := c.Spans(t.Context(), tp)
		if err != nil {
			t.Fatal(err)
		}
		for offset := int64(0); offset < spans[tp].End; {
			b, err := c.Fetch(t.Context(), tp, offset)
			if err != nil {
				t.Fatal(err)
			}
			got[p] = append(got[p], b.Records...)
			offset = b.Next
		}
	}
	return got
}

func one(t *testing.T, addr, topic string) event.Record {
	t.Helper()
	var all []event.Record
	for _, rs := range recordsOf(t, addr, topic) {
		all = append(all, rs...)
	}
	if len(all) != 1 {
		t.Fatalf("%s holds %d records, want 1", topic, len(all))
	}
	return all[0]
}

// settle reads the address that `worker broker -o json` prints.
func readAddress(t *testing.T, r io.Reader) string {
	t.Helper()
	line, err := bufio.NewReader(r).ReadString('\n')
	var printed struct{ Brokers []string }
	if err == nil {
		err = json.Unmarshal([]byte(line), &printed)
	}
	if err != nil || len(printed.Brokers) != 1 {
		t.Fatalf("the broker printed %q: %v", line, err)
	}
	return printed.Brokers[0]
}

func TestBrokerCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for run := range 2 { // the second one finds what the first one kept
		ctx, stop := context.WithCancel(t.Context())
		read, write := io.Pipe()
		done := make(chan int, 1)
		var stderr bytes.Buffer
		go func() {
			done <- execute(ctx, []string{"broker", "--listen", "127.0.0.1:0", "--data", dir, "--partitions", "3", "-o", "json"}, nil, write, &stderr)
			write.Close()
		}()
		addr := readAddress(t, read)
		c := connect(t, addr)
		names := []string{"top.status-changes", "top.work-orders", "top.dead-letters", "top.dead-letters.actions", "top.results"}
		topics, err := c.Topics(t.Context(), append(names, "top.inbound.work-orders")...)
		if err != nil || len(topics) != 5 || topics["top.work-orders"].Partitions != 3 || topics["top.dead-letters.actions"].Partitions != 1 {
			t.Errorf("run %d: topics %v, %v", run, topics, err)
		}
		if n := len(recordsOf(t, addr, "top.work-orders")); n != run {
			t.Errorf("run %d: records in %d partitions", run, n)
		}
		w := c.NewWriter()
		if err := w.Write(t.Context(), "top.work-orders", 1, event.Record{Value: []byte("kept")}); err != nil {
			t.Error(err)
		}
		w.Close()
		refuseSecondBroker(t, dir)
		stop()
		if code := <-done; code != exitOK {
			t.Errorf("run %d: exit code %d: %s", run, code, stderr.String())
		}
	}
}

// refuseSecondBroker starts a broker on a folder that one has. It would stop at once if it ran.
func refuseSecondBroker(t *testing.T, dir string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var stderr bytes.Buffer
	code := execute(ctx, []string{"broker", "--listen", "127.0.0.1:0", "--data", dir}, nil, io.Discard, &stderr)
	if want := fmt.Sprintf("another broker has the data folder %s (pid %d): stop it", dir, os.Getpid()); code != exitUnreachable || !strings.Contains(stderr.String(), want) {
		t.Errorf("a second broker on the folder: exit %d, %s; want %d and %q", code, stderr.String(), exitUnreachable, want)
	}
}

func TestBrokerCommandRefuses(t *testing.T) {
	t.Parallel()
	taken := startBroker(t, nil)
	for want, test := range map[string]struct {
		args []string
		code int
	}{
		"not a loopback address":               {[]string{"--listen", "0.0.0.0:0"}, exitUsage},
		"must be 1 or more":                    {[]string{"--partitions", "0"}, exitUsage},
		"choose another address with --listen": {[]string{"--listen", taken}, exitFailed},
	} {
		code, _, stderr := worker(t, "", append([]string{"broker"}, test.args...)...)
		if code != test.code || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit %d, %s; want %d and %q", test.args, code, stderr, test.code, want)
		}
	}
}

func TestTopicsCreate(t *testing.T) {
	t.Parallel()
	addr := startBroker(t, map[string]embedded.Topic{
		"top.status-changes": {Partitions: 9, Config: map[string]string{"max.message.bytes": "3000000"}},
	})
	args := []string{"topics", "create", "--brokers", addr, "--partitions", "4", "-o", "json"}
	states := func(stdout string) map[string]topicResult {
		var results []topicResult
		if err := json.Unmarshal([]byte(stdout), &results); err != nil {
			t.Fatalf("%v: %s", err, stdout)
		}
		m := map[string]topicResult{}
		for _, r := range results {
			m[r.Topic] = r
		}
		return m
	}
	code, stdout, stderr := worker(t, "", append(args, "--dry-run")...)
	if got := states(stdout); code != exitOK || got["top.dead-letters"].State != "would be created" || got["top.status-changes"].State != "exists" {
		t.Fatalf("dry run: exit %d, %s%s", code, stdout, stderr)
	}
	if topics, err := connect(t, addr).Topics(t.Context(), "top.dead-letters"); err != nil || len(topics) != 0 {
		t.Fatalf("a dry run has created it: %v, %v", topics, err)
	}
	code, stdout, stderr = worker(t, "", args...)
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	got := states(stdout)
	if len(got) != 4 || got["top.work-orders"].State != "created" {
		t.Errorf("got %s", stdout)
	}
	for name, r := range got { // those that are the cluster's defaults, too
		if r.Settings["cleanup.policy"] != "delete" || r.Settings["max.message.bytes"] == "" {
			t.Errorf("%s is shown with the settings %v", name, r.Settings)
		}
	}
	c := connect(t, addr)
	topics, err := c.Topics(t.Context(), "top.work-orders", "top.dead-letters", "top.dead-letters.actions")
	if err != nil || topics["top.work-orders"].Partitions != 4 || topics["top.dead-letters"].Partitions != 9 || topics["top.dead-letters.actions"].Partitions != 1 {
		t.Errorf("topics %v, %v; letters go to the partition number of their event, of which there are 9", topics, err)
	}
	settings, err := c.Settings(t.Context(), "top.dead-letters", "top.dead-letters.actions")
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range settings {
		if s.CleanupPolicy != "delete" || s.RetentionMS != -1 || s.MaxMessageBytes != 3_000_000+65_536 {
			t.Errorf("%s has %+v", name, s)
		}
	}
	code, stdout, stderr = worker(t, "", args...)
	if code != exitOK || states(stdout)["top.dead-letters"].State != "exists" || stderr != "" {
		t.Errorf("again: exit %d, %s%s", code, stdout, stderr)
	}
	if code, stdout, _ := worker(t, "", args[:len(args)-2]...); code != exitOK || !strings.Contains(stdout, "dead letters") {
		t.Errorf("as a table: exit %d, %s", code, stdout)
	}
}

func TestTopicsCreateWithTooManyReplicas(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := worker(t, "", "topics", "create", "--brokers", startBroker(t, nil), "--replicas", "3")
	if code != exitFailed || !strings.Contains(stderr, "more replicas than the cluster has brokers; it has 1: use --replicas 1") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if !strings.Contains(stdout, "the cluster's defaults") {
		t.Errorf("nothing stands for the settings of a topic for events: %s", stdout)
	}
}

func TestTopicsCreateSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	addr := startBroker(t, map[string]embedded.Topic{
		"top.status-changes": {Partitions: 3}, "top.work-orders": {Partitions: 3}, "top.dead-letters.actions": {},
		"top.dead-letters": {Partitions: 2, Config: map[string]string{"cleanup.policy": "compact", "retention.ms": "1000"}},
	})
	code, _, stderr := worker(t, "", "topics", "create", "--brokers", addr)
	if code != exitOK {
		t.Errorf("exit %d", code)
	}
	for _, want := range []string{"topic top.dead-letters: cleanup.policy=compact", "retention.ms=1000", "set 1114124", "2 partitions and the events have 3"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("it does not say %q: %s", want, stderr)
		}
	}
}

func TestCommandsWithoutKafka(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(file, []byte(goodEvent("1", "WO1")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"topics", "create", "--brokers", "127.0.0.1:1"},
		{"publish", file, "--brokers", "127.0.0.1:1"},
	} {
		began := time.Now()
		code, _, stderr := worker(t, "", args...)
		if code != exitUnreachable || !strings.Contains(stderr, "127.0.0.1:1") {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%v took %v", args, took)
		}
	}
}

func goodEvent(id, order string) string {
	return fmt.Sprintf(`{"type":"top.workorder.sync.v1","source":"/wms/1","id":%q,"data":%s}`, id, syncData(order))
}

// values lists the values in their order.
func values(rs []event.Record) []string {
	var s []string
	for _, r := range rs {
		s = append(s, string(r.Value))
	}
	return s
}
