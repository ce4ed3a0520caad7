// Package embedded runs a Kafka broker inside the process: kfake of franz-go, which speaks the real protocol and keeps
// records, topics and group offsets on disk. It is for development, the demo and tests, never for production: one
// broker, no replicas, no retention and no compaction by themselves.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/toprelay/worker/internal/filelock"
)

// ErrLocked says that another broker has the DataDir. Two would write over each other's records.
var ErrLocked = errors.New("another broker has the data folder")

// minSession lets tests see a dead member's session end soon. Kafka's default is 6 s.
const minSession = time.Second

// Topic is a topic to create where it does not exist yet.
type Topic struct {
	Partitions int               // default 1
	Config     map[string]string // topic settings such as max.message.bytes
}

// Options of Start. The zero value is a broker on a free port of 127.0.0.1 that forgets everything when it is closed.
type Options struct {
	Listen    string // host:port; default 127.0.0.1:0, port 0 is any free one
	Advertise string // host:port that clients are told to connect to; default the address that is listened on
	DataDir   string // keeps topics, records and offsets, each write synced; "": in memory only
	Topics    map[string]Topic
}

// Broker is a running broker.
type Broker struct {
	cluster   *kfake.Cluster
	addr      string
	listening string
	lock      *filelock.Lock // on DataDir; nil: none is kept
}

// Start runs a broker. A DataDir that was used before goes on with its topics, records and offsets; one that another
// broker has is ErrLocked.
func Start(o Options) (*Broker, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	b := &Broker{}
	if err := b.start(o); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Broker) start(o Options) (err error) {
	if o.DataDir != "" {
		if b.lock, err = lockFolder(o.DataDir); err != nil {
			return err
		}
	}
	var bound string
	listen := func(network, _ string) (net.Listener, error) {
		ln, err := net.Listen(network, o.Listen)
		if err != nil {
			return nil, err
		}
		bound = ln.Addr().String()
		if o.Advertise == "" {
			return ln, nil
		}
		addr, err := net.ResolveTCPAddr(network, o.Advertise)
		if err != nil {
			ln.Close()
			return nil, fmt.Errorf("advertised address: %w", err)
		}
		return advertised{ln, addr}, nil
	}
	opts := []kfake.Opt{
		kfake.NumBrokers(1), kfake.ClusterID("toprelay-embedded"), kfake.ListenFn(listen),
		kfake.GroupMinSessionTimeout(minSession),
	}
	if o.DataDir != "" {
		opts = append(opts, kfake.DataDir(o.DataDir), kfake.SyncWrites())
	}
	if b.cluster, err = kfake.NewCluster(opts...); err != nil {
		return fmt.Errorf("embedded broker on %s: %w", o.Listen, err)
	}
	b.addr, b.listening = bound, bound
	if o.Advertise != "" {
		b.addr = o.Advertise
	}
	return b.createTopics(o.Topics)
}

// lockFolder makes the folder and keeps other brokers from it.
func lockFolder(dir string) (*filelock.Lock, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	lock, err := filelock.Take(context.Background(), filepath.Join(dir, "lock"), 0)
	var held *filelock.HeldError
	if errors.As(err, &held) {
		return nil, fmt.Errorf("%w %s%s", ErrLocked, dir, held.Holder())
	}
	return lock, err
}

func (b *Broker) createTopics(topics map[string]Topic) error {
	names := make([]string, 0, len(topics))
	for name := range topics {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if b.cluster.TopicInfo(name) != nil {
			continue
		}
		if err := b.cluster.CreateTopic(name, int32(max(1, topics[name].Partitions)), topics[name].Config); err != nil {
			return fmt.Errorf("embedded broker: create topic %s: %w", name, err)
		}
	}
	return nil
}

// Addrs are the addresses for clients.
func (b *Broker) Addrs() []string { return []string{b.addr} }

// ListenAddr is the address that is listened on: where a proxy with the advertised address forwards to.
func (b *Broker) ListenAddr() string { return b.listening }

// Close stops the broker, after it has written what it keeps, and only then gives the folder free.
func (b *Broker) Close() {
	if b.cluster != nil {
		b.cluster.Close()
	}
	if b.lock != nil {
		_ = b.lock.Release() // closing it twice is no harm, and nothing is written through it
	}
}

// advertised is a listener whose clients are told another address: that of a proxy, say.
type advertised struct {
	net.Listener
	addr net.Addr
}

func (a advertised) Addr() net.Addr { return a.addr }
