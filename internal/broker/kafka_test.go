//go:build kafka

// What only a real Apache Kafka shows. test/kafka/run starts one and sets the environment.

package broker

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

func env(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s is not set: run the tests with the tag kafka under test/kafka/run", name)
	}
	return v
}

func TestSASLOverTLSOnKafka(t *testing.T) {
	t.Parallel()
	tlsConfig := &tls.Config{RootCAs: readCertificate(t, env(t, "TOPRELAY_TEST_KAFKA_CA"))}
	secret, err := os.ReadFile(env(t, "TOPRELAY_TEST_KAFKA_PASSWORD_FILE"))
	if err != nil {
		t.Fatal(err)
	}
	password := strings.TrimSpace(string(secret))
	topic := newTopic(t, 1)
	for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		sasl := func(user, password string) *SASL {
			return &SASL{Mechanism: mechanism, Username: user, Password: func() string { return password }}
		}
		cfg := Config{Brokers: []string{env(t, "TOPRELAY_TEST_KAFKA_SASL")}, TLS: tlsConfig}
		cfg.SASL = sasl(env(t, "TOPRELAY_TEST_KAFKA_USER"), password)
		if err := roundTrip(t, cfg, topic); err != nil {
			t.Errorf("%s: %v", mechanism, err)
		}
		for _, wrong := range []*SASL{sasl("relay", "wrong-"+password), sasl("nobody", password)} {
			cfg.SASL = wrong
			err := roundTrip(t, cfg, topic)
			if !errors.Is(err, kafka.SASLAuthenticationFailed) || strings.Contains(err.Error(), password) {
				t.Errorf("%s, wrong user or password: got %v, want error 58 without the password", mechanism, err)
			}
		}
		cfg.SASL, cfg.TLS = sasl("relay", password), nil
		if err := roundTrip(t, cfg, topic); err == nil {
			t.Errorf("%s without TLS: no error", mechanism)
		}
	}
}

func TestTLSOnKafka(t *testing.T) {
	t.Parallel()
	addr, topic := env(t, "TOPRELAY_TEST_KAFKA_TLS"), newTopic(t, 1)
	trusted := &tls.Config{RootCAs: readCertificate(t, env(t, "TOPRELAY_TEST_KAFKA_CA"))}
	if err := roundTrip(t, Config{Brokers: []string{addr}, TLS: trusted}, topic); err != nil {
		t.Error(err)
	}
	if err := roundTrip(t, Config{Brokers: []string{addr}, TLS: &tls.Config{}}, topic); err == nil || !strings.Contains(err.Error(), "kafka.tls.ca_file") {
		t.Errorf("a certificate that is not trusted: got %v, want what to configure", err)
	}
}

// A compacted topic of idempotent producers, the Java default: compaction leaves gaps, and batches that it has emptied
// but keeps for their producer. kafka-go's Reader panics on it beyond recovery.
func TestCompactedTopicOfAnIdempotentProducer(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 1, "cleanup.policy=compact", "segment.ms=200", "min.cleanable.dirty.ratio=0.001",
		"max.compaction.lag.ms=500", "delete.retention.ms=100", "file.delete.delay.ms=100")
	tp := consumer.TopicPartition{Topic: topic}
	last := map[string]string{}
	write := func(keys ...string) {
		k := newKgo(t, brokerAddr) // a producer of its own each time
		var rs []*kgo.Record
		for i, key := range keys {
			last[key] = fmt.Sprintf("%s-%d-%d", key, len(last), i)
			rs = append(rs, &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(last[key])})
		}
		if err := k.ProduceSync(t.Context(), rs...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		write("a", "b", "a", "b", "c")
		write("b", "a")
	}
	c := newClient(t)
	n := 0
	var records []event.Record
	until(t, "the log is compacted", func() error {
		n++
		write(fmt.Sprintf("tick-%d", n%3)) // a segment is compacted only when another one has begun
		records, _ = readUntil(t, c, tp, 0, endOf(t, c, tp))
		if int64(len(records)) > endOf(t, c, tp)-20 {
			return fmt.Errorf("%d records of %d", len(records), endOf(t, c, tp))
		}
		return nil
	})
	seen := map[string]string{}
	for i, r := range records {
		seen[string(r.Key)] = string(r.Value)
		if i > 0 && r.Offset <= records[i-1].Offset {
			t.Errorf("offset %d after %d", r.Offset, records[i-1].Offset)
		}
	}
	for key, value := range last {
		if seen[key] != value {
			t.Errorf("key %s: got %q, want the last value %q", key, seen[key], value)
		}
	}
}

// kill -9 under a worker: it goes on by itself, and nothing that was acknowledged is lost.
func TestKillTheBroker(t *testing.T) {
	t.Parallel()
	script, dir := env(t, "TOPRELAY_TEST_KAFKA_SCRIPT"), t.TempDir()
	run := func(args ...string) string {
		var stderr bytes.Buffer
		cmd := exec.Command(script, args...)
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %s: %v: %s", script, strings.Join(args, " "), err, stderr.String())
		}
		return string(out)
	}
	// The members of this test are silent for 3 s at most; a broker as it ships refuses less than 6 s.
	short := []string{"--set", "group.min.session.timeout.ms=1000"}
	addr := regexp.MustCompile(`bootstrap=(\S+)`).FindStringSubmatch(run(append([]string{"start", "0", dir}, short...)...))[1]
	t.Cleanup(func() { exec.Command(script, "stop", dir).Run() })
	topic := newTopicAt(t, addr, 2)
	c := newClientTo(t, addr)
	w, s := newWriter(t, c), newSource(t, c, SourceConfig{Group: topic, Topics: []string{topic}, SessionTimeout: 3 * time.Second})
	for i := range 10 {
		if err := w.Write(t.Context(), topic, 0, event.Record{Value: fmt.Appendf(nil, "%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	g := nextGeneration(t, s)
	commit(t, g, topic, 0, 4)
	run("kill", dir)
	ended(t, g)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	if err := w.Write(ctx, topic, 0, event.Record{Value: []byte("lost?")}); err == nil {
		t.Error("a write to a broker that is away is no error")
	}
	cancel()
	g.Release()
	run(append([]string{"start", addr[strings.LastIndex(addr, ":")+1:], dir}, short...)...)
	g = nextGeneration(t, s)
	if got := assigned(g); got != "0@4 1@0" {
		t.Errorf("after the kill %q, want 0@4 1@0", got)
	}
	until(t, "writes go through again", func() error { return w.Write(t.Context(), topic, 1, event.Record{Value: []byte("after")}) })
	tp := consumer.TopicPartition{Topic: topic}
	records, _ := readUntil(t, c, tp, 4, endOf(t, c, tp))
	if len(records) < 6 || string(records[0].Value) != "4" || string(records[5].Value) != "9" {
		t.Errorf("%d records after the kill, want 4 to 9", len(records))
	}
	commit(t, g, topic, 0, 10)
}
