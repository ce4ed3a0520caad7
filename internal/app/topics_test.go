package app

import (
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
	settings map[string]broker.Settings
	denied   error // of the settings of hidden
	hidden   []string
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
	if f.err != nil {
		return nil, f.err
	}
	settings := map[string]broker.Settings{}
	for _, name := range topics {
		if slices.Contains(f.hidden, name) {
			return nil, fmt.Errorf("settings of topic %s: %w", name, f.denied)
		}
		settings[name] = f.settings[name]
	}
	return settings, nil
}

// all are the topics of the default configuration.
var all = []string{"top.status-changes", "top.work-orders", "top.dead-letters", "top.dead-letters.actions"}

// starting is a wait of a start that is under way, in a bubble.
type starting struct {
	t       *testing.T
	cluster *fakeCluster
	config  *config.Config
	status  status
	log     watchLog
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
	for line := range strings.Lines(s.log.text()) {
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

// What the topics are set to is looked at once they are there. A broker that cannot say so now is asked again, and that is
// said; one that does not want to is not.
func TestStartLooksAtTheSettings(t *testing.T) {
	const (
		letters   = "top.dead-letters"
		short     = "the dead-letter topic keeps letters for less than 90 days; set retention.ms=-1"
		forgotten = "a topic keeps events for longer than the ledger remembers them: an older one that is consumed again is sent again; raise dedup.retention or lower the topic's retention.ms"
		denied    = "Kafka does not say what topics are set to, so that their compaction and retention are not looked at; let the worker's user describe their configuration"
	)
	day := (24 * time.Hour).Milliseconds()
	of := func(topic, policy string, retention int64) map[string]broker.Settings {
		return map[string]broker.Settings{topic: {CleanupPolicy: policy, RetentionMS: retention}}
	}
	for name, test := range map[string]struct {
		cluster *fakeCluster
		change  func(*config.Config)
		said    string
		key     string // of the problem
	}{
		"well":                         {cluster: &fakeCluster{settings: of(letters, "delete", -1)}},
		"compacted letters":            {cluster: &fakeCluster{settings: of(letters, "compact,delete", -1)}, key: "kafka.dead_letter_topic"},
		"of a dry run":                 {cluster: &fakeCluster{settings: of(letters, "compact", -1)}, change: func(c *config.Config) { c.Top.DryRun = true }},
		"letters for 89 days":          {cluster: &fakeCluster{settings: of(letters, "delete", 89*day)}, said: short},
		"letters for 90 days":          {cluster: &fakeCluster{settings: of(letters, "delete", 90*day)}},
		"events as long as the ledger": {cluster: &fakeCluster{settings: of(all[0], "delete", 14*day)}},
		"events for longer":            {cluster: &fakeCluster{settings: of(all[1], "delete", 14*day+1)}, said: forgotten},
		"events for ever":              {cluster: &fakeCluster{settings: of(all[0], "delete", -1)}, said: forgotten},
		"compacted events":             {cluster: &fakeCluster{settings: of(all[0], "compact", 1)}, said: forgotten},
		"for longer, a dry run":        {cluster: &fakeCluster{settings: of(all[0], "delete", -1)}, change: func(c *config.Config) { c.Top.DryRun = true }, said: forgotten},
		"one that is hidden": {cluster: &fakeCluster{settings: of(letters, "compact", -1), hidden: all[1:2], denied: errors.New("not authorised")},
			said: denied, key: "kafka.dead_letter_topic"},
		"all are hidden": {cluster: &fakeCluster{hidden: all, denied: errors.New("not authorised")}, said: denied},
		"not understood": {cluster: &fakeCluster{hidden: all, denied: errors.New("retention.ms: odd")}, said: denied},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := test.cluster
				cluster.topics = all
				if _, set := cluster.settings[letters]; !set && cluster.settings != nil {
					cluster.settings[letters] = broker.Settings{RetentionMS: -1}
				}
				s := start(t, cluster, test.change)
				err := s.ended()
				var refused config.Problems
				if errors.As(err, &refused); (err != nil) != (test.key != "") || err != nil && refused[0].Key != test.key {
					t.Errorf("got %v", err)
				}
				if said := s.said(); said != test.said {
					t.Errorf("said %q, want %q", said, test.said)
				}
			})
		})
	}

	synctest.Test(t, func(t *testing.T) {
		s := start(t, &fakeCluster{topics: all, hidden: all[2:], denied: errNobody, settings: of(all[0], "delete", -1)}, nil)
		const away, waits = "Kafka does not answer; waiting for it", "Kafka does not answer: k:1: connection refused; start it"
		s.want(away, waits)
		s.pass(59 * time.Second)
		s.want(away, waits)
		s.pass(2 * time.Second)
		s.want(away+" | "+away, waits)
		s.now(func(f *fakeCluster) { f.hidden = nil })
		s.pass(time.Second)
		if err := s.ended(); err != nil || strings.Count(s.said(), forgotten) != 1 {
			t.Errorf("got %v, said %q", err, s.said())
		}
	})
}
