// Package embedded runs a Kafka broker inside the process: kfake of franz-go, which speaks the real protocol and keeps
// records, topics and group offsets on disk. It is for development, the demo and tests, never for production: one
// broker, no replicas, no retention and no compaction by themselves.
package embedded

import (
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

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
}

// Start runs a broker. A DataDir that was used before goes on with its topics, records and offsets.
func Start(o Options) (*Broker, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
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
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, fmt.Errorf("embedded broker on %s: %w", o.Listen, err)
	}
	b := &Broker{cluster: cluster, addr: bound, listening: bound}
	if o.Advertise != "" {
		b.addr = o.Advertise
	}
	if err := b.createTopics(o.Topics); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
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

// Close stops the broker, after it has written what it keeps.
func (b *Broker) Close() { b.cluster.Close() }

// advertised is a listener whose clients are told another address: that of a proxy, say.
type advertised struct {
	net.Listener
	addr net.Addr
}

func (a advertised) Addr() net.Addr { return a.addr }
