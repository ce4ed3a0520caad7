package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/config"
)

// fakeCluster is Kafka as the start sees it.
type fakeCluster struct {
	mu       sync.Mutex
	err      error
	topics   []string
	settings broker.Settings
	denied   error // of the settings
}

func (f *fakeCluster) Topics(_ context.Context, names ...string) (map[string]broker.Topic, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	there := map[string]broker.Topic{}
	for _, name := range f.topics {
		if slices.Contains(names, name) {
			there[name] = broker.Topic{Name: name}
		}
	}
	return there, nil
}

func (f *fakeCluster) Settings(_ context.Context, topics ...string) (map[string]broker.Settings, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil || f.denied != nil {
		return nil, errors.Join(f.err, f.denied)
	}
	return map[string]broker.Settings{topics[0]: f.settings}, nil
}

// all are the topics of the default configuration.
var all = []string{"top.status-changes", "top.work-orders", "top.dead-letters", "top.dead-letters.actions"}

// starting is a wait of a start that is under way, in a bubble.
type starting struct {
	t       *testing.T
	cluster *fakeCluster
	config  *config.Config
	status  status
	log     bytes.Buffer
	done    chan error
}

func start(t *testing.T, cluster *fakeCluster, change func(*config.Config)) *starting {
	c := config.Default()
	if change != nil {
		change(c)
	}
	s := &starting{t: t, cluster: cluster, config: c, done: make(chan error, 1)}
	w := &topicsWait{cluster: cluster, config: c, topics: all[:2], log: slog.New(slog.NewJSONHandler(&s.log, nil)), status: &s.status}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() { s.done <- w.run(ctx) }()
	synctest.Wait()
	return s
}

// now changes the cluster.
func (s *starting) now(change func(f *fakeCluster)) {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	change(s.cluster)
}

// pass lets time pass.
func (s *starting) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// said lists the messages of the log.
func (s *starting) said() string {
	s.t.Helper()
	var out []string
	for line := range strings.Lines(s.log.String()) {
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			s.t.Fatal(err)
		}
		out = append(out, fmt.Sprint(l["msg"]))
	}
	return strings.Join(out, " | ")
}

func (s *starting) want(said, waits string) {
	s.t.Helper()
	if got := s.said(); got != said {
		s.t.Errorf("said %q, want %q", got, said)
	}
	if got := s.status.group(); got == nil || got.Error() != waits {
		s.t.Errorf("not ready for want of %v, want %q", got, waits)
	}
}

// ended is the error of the wait; a test whose wait goes on fails.
func (s *starting) ended() error {
	s.t.Helper()
	select {
	case err := <-s.done:
		return err
	default:
		s.t.Fatal("it still waits")
		return nil
	}
}

var errNobody = &broker.AccessError{Address: "k:1", Message: "connection refused", Advice: "start it"}

// Kafka is away, comes without a topic, goes away again and comes back with all: each is said when it begins, and that it
// lasts once a minute.
func TestStartWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const away, missing, back = "Kafka does not answer; waiting for it", "topics are missing; waiting for them", "Kafka answers again"
		s := start(t, &fakeCluster{err: fmt.Errorf("topics: %w", errNobody)}, nil)
		s.want(away, "Kafka does not answer: k:1: connection refused; start it")
		s.pass(59 * time.Second)
		s.want(away, "Kafka does not answer: k:1: connection refused; start it")
		s.pass(2 * time.Second)
		s.want(away+" | "+away, "Kafka does not answer: k:1: connection refused; start it")
		s.now(func(f *fakeCluster) { f.err, f.topics = nil, all[:3] })
		s.pass(time.Second)
		said := strings.Join([]string{away, away, back, missing}, " | ")
		s.want(said, "topics are missing: top.dead-letters.actions")
		s.pass(30 * time.Second)
		s.want(said, "topics are missing: top.dead-letters.actions")
		s.now(func(f *fakeCluster) { f.err = errNobody })
		s.pass(40 * time.Second) // the time without Kafka is no time without topics
		said += " | " + away
		s.want(said, "Kafka does not answer: k:1: connection refused; start it")
		s.now(func(f *fakeCluster) { f.err = nil })
		s.pass(time.Second)
		s.want(said+" | "+back+" | "+missing, "topics are missing: top.dead-letters.actions")
		s.now(func(f *fakeCluster) { f.topics = all })
		s.pass(time.Second)
		if err := s.ended(); err != nil {
			t.Error(err)
		}
	})
}

// The wait ends when the time for missing topics is over, and names them all.
func TestStartWithoutTopics(t *testing.T) {
	for name, test := range map[string]struct {
		there   []string
		change  func(*config.Config)
		missing string
	}{
		"none":         {nil, nil, strings.Join(all, ", ")},
		"no actions":   {all[:3], nil, "top.dead-letters.actions"},
		"no results":   {all, func(c *config.Config) { c.Kafka.ResultsTopic = "top.results" }, "top.results"},
		"dry run":      {all[:2], func(c *config.Config) { c.Top.DryRun, c.Kafka.ResultsTopic = true, "top.results" }, ""},
		"dry, no work": {all[:1], func(c *config.Config) { c.Top.DryRun = true }, "top.work-orders"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, &fakeCluster{topics: test.there}, test.change)
				s.pass(61 * time.Second)
				switch err := s.ended(); {
				case test.missing == "" && err != nil:
					t.Error(err)
				case test.missing != "" && (!errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "missing in Kafka: "+test.missing+": create them")):
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// What Kafka says about the dead-letter topic: a refusal to describe it is said too, and it is asked again.
func TestStartLooksAtTheDeadLetterTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, &fakeCluster{topics: all, denied: errors.New("not authorised")}, nil)
		s.want("Kafka refuses what the worker asks; waiting for it", "Kafka refuses what the worker asks: not authorised")
		s.now(func(f *fakeCluster) {
			f.denied, f.settings = nil, broker.Settings{CleanupPolicy: "compact,delete", RetentionMS: -1}
		})
		s.pass(time.Second)
		var refused config.Problems
		if err := s.ended(); !errors.As(err, &refused) || refused[0].Key != "kafka.dead_letter_topic" {
			t.Errorf("got %v", err)
		}
		s = start(t, &fakeCluster{topics: all, settings: broker.Settings{CleanupPolicy: "delete", RetentionMS: 1000}}, nil)
		if err := s.ended(); err != nil || !strings.Contains(s.said(), "less than 90 days") {
			t.Errorf("got %v, said %q", err, s.said())
		}
	})
}
