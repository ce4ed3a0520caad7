package embedded

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o Options) *Broker {
	t.Helper()
	b, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func client(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addr)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// topics asks for all topics: partitions by name. advertised is where clients are sent.
func topics(t *testing.T, addr string) (partitions map[string]int, advertised string) {
	t.Helper()
	r, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), client(t, addr))
	if err != nil {
		t.Fatal(err)
	}
	partitions = map[string]int{}
	for _, topic := range r.Topics {
		partitions[*topic.Topic] = len(topic.Partitions)
	}
	return partitions, net.JoinHostPort(r.Brokers[0].Host, strconv.Itoa(int(r.Brokers[0].Port)))
}

func TestTopicsAndRecordsOutliveARestart(t *testing.T) {
	o := Options{DataDir: t.TempDir(), Topics: map[string]Topic{"t": {Partitions: 3}, "u": {}}}
	b := start(t, o)
	if err := client(t, b.Addrs()[0]).ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("kept")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	b.Close()
	o.Topics["v"] = Topic{Partitions: 2, Config: map[string]string{"max.message.bytes": "1000"}}
	b = start(t, o)
	got, _ := topics(t, b.Addrs()[0])
	if len(got) != 3 || got["t"] != 3 || got["u"] != 1 || got["v"] != 2 {
		t.Errorf("topics %v, want t with 3 partitions, u with 1, v with 2", got)
	}
	c := client(t, b.Addrs()[0], kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if rs := c.PollFetches(t.Context()).Records(); len(rs) != 1 || string(rs[0].Value) != "kept" {
		t.Errorf("%d records after the restart, want the one that was written", len(rs))
	}
}

func TestAFolderHasOneBroker(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "here")
	first := start(t, Options{DataDir: dir})
	if _, err := Start(Options{DataDir: dir}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) ||
		!strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("got %v, want ErrLocked with folder and process", err)
	}
	first.Close()
	// One that fails after it took the folder gives it back, too.
	if _, err := Start(Options{DataDir: dir, Advertise: "nowhere"}); err == nil {
		t.Error("a bad advertised address is accepted")
	}
	start(t, Options{DataDir: dir})
}

func TestClientsAreSentToTheAdvertisedAddress(t *testing.T) {
	b := start(t, Options{Advertise: "127.0.0.1:1"})
	if got := b.Addrs()[0]; got != "127.0.0.1:1" {
		t.Errorf("Addrs says %s", got)
	}
	if _, advertised := topics(t, b.ListenAddr()); advertised != "127.0.0.1:1" {
		t.Errorf("clients are sent to %s", advertised)
	}
}

func TestStartRefuses(t *testing.T) {
	taken := start(t, Options{}).Addrs()[0]
	for want, o := range map[string]Options{
		taken:                {Listen: taken},
		"advertised address": {Advertise: "nowhere"},
		"create topic a_b":   {Topics: map[string]Topic{"a.b": {}, "a_b": {}}}, // Kafka takes them for one name
	} {
		if _, err := Start(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want an error with %q", o, err, want)
		}
	}
}
