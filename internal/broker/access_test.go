package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

// refuseLogins makes a cluster refuse each login in Kafka's words. By itself kfake hangs up.
func refuseLogins(cluster *kfake.Cluster) {
	cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		reply := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		reply.ErrorCode = int16(kafka.SASLAuthenticationFailed)
		return reply, nil, true
	})
}

// Whatever is asked of a cluster that cannot be asked: the error says why and what to do, and nothing of kafka-go's names.
func TestAccess(t *testing.T) {
	t.Parallel()
	password := func() string { return testPassword }
	login := &SASL{Mechanism: "plain", Username: "relay", Password: password}
	start := func(opts ...kfake.Opt) []string {
		cluster, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		refuseLogins(cluster)
		return cluster.ListenAddrs()
	}
	certFile, keyFile := writeCertificate(t)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	withTLS := start(kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}))
	withLogin := start(kfake.EnableSASL(), kfake.Superuser("PLAIN", "relay", testPassword))
	_, port, _ := net.SplitHostPort(withTLS[0])
	silent, talks := listen(t, ""), listen(t, "no TLS is spoken here")

	for name, test := range map[string]struct {
		cfg  Config
		kind error
		want string
	}{
		"nobody": {Config{Brokers: []string{"127.0.0.1:1"}}, consumer.ErrAway,
			"127.0.0.1:1: connection refused: nothing listens there; start Kafka there, or correct kafka.brokers"},
		"unknown name": {Config{Brokers: []string{"name.invalid:9092"}}, consumer.ErrAway,
			"name.invalid: the host name cannot be resolved; start Kafka there, or correct kafka.brokers"},
		"silent": {Config{Brokers: []string{silent}, DialTimeout: time.Second / 2, RequestTimeout: time.Second / 2}, consumer.ErrAway,
			"no answer in time; look for a firewall; or the port wants kafka.tls or kafka.sasl"},
		"wrong login": {Config{Brokers: withLogin, SASL: login}, consumer.ErrRefused,
			"the login is refused: SASL Authentication Failed; correct mechanism, username and password file of kafka.sasl"},
		"unfit password": {Config{Brokers: withLogin, SASL: &SASL{Mechanism: "scram-sha-256", Username: "u", Password: func() string { return "\u0007" }}}, consumer.ErrRefused,
			"the SASL user name or password holds characters that SCRAM does not allow; correct username and password file of kafka.sasl"},
		"untrusted": {Config{Brokers: withTLS, TLS: &tls.Config{}}, consumer.ErrRefused,
			"TLS: the certificate is signed by no authority that is trusted; give the authority's certificate in kafka.tls.ca_file"},
		"other name": {Config{Brokers: []string{"localhost:" + port}, TLS: &tls.Config{RootCAs: readCertificate(t, certFile)}}, consumer.ErrRefused,
			"TLS: the certificate is for other host names; use in kafka.brokers a name that the certificate has"},
		"no TLS": {Config{Brokers: []string{talks}, TLS: &tls.Config{}}, consumer.ErrRefused,
			"TLS: no TLS is spoken there; use the broker's TLS port, or remove kafka.tls"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.cfg.MetadataTTL = 300 * time.Millisecond
			c, err := NewClient(test.cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			for question, err := range askAll(t, c) {
				text := fmt.Sprint(err)
				if !errors.Is(err, test.kind) || errors.Is(err, consumer.ErrAway) && errors.Is(err, consumer.ErrRefused) {
					t.Errorf("%s: of another kind: %v", question, err)
				}
				if !strings.HasSuffix(text, test.want) || strings.Contains(text, "kafka.(") || strings.Contains(text, testPassword) {
					t.Errorf("%s: got %q, want %q", question, text, test.want)
				}
			}
		})
	}
}

// listen takes connections, says a text to each, and keeps them.
func listen(t *testing.T, text string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var taking sync.WaitGroup
	taking.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, text)
		}
	})
	t.Cleanup(func() {
		listener.Close()
		taking.Wait()
	})
	return listener.Addr().String()
}

// askAll asks a cluster that cannot be asked, in every way, and returns the errors.
func askAll(t *testing.T, c *Client) map[string]error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tp := consumer.TopicPartition{Topic: "t"}
	s, err := c.NewSource(SourceConfig{Group: newName(t), Topics: []string{"t"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	errs := map[string]error{}
	_, errs["topics"] = c.Topics(ctx, "t")
	_, errs["brokers"] = c.Brokers(ctx)
	_, errs["spans"] = c.Spans(ctx, tp)
	_, errs["group"] = c.Group(ctx, "g")
	_, errs["offsets"] = c.GroupOffsets(ctx, "g")
	_, errs["next"] = s.Next(ctx)
	errs["write"] = newWriter(t, c).Write(ctx, "t", 0, event.Record{Value: []byte("v")})
	return errs
}

// Where it has never seen the cluster, kafka-go does not say why.
func TestAccessNeverSeen(t *testing.T) {
	t.Parallel()
	c := newClientTo(t, "127.0.0.1:1")
	const want = "no broker answers; start Kafka, or correct kafka.brokers"
	_, err := c.Settings(t.Context(), "t")
	if !errors.Is(err, consumer.ErrAway) || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("settings: %v", err)
	}
	err = c.CreateTopic(t.Context(), NewTopic{Topic: Topic{Name: "u", Partitions: 1, Replicas: 1}})
	if !errors.Is(err, consumer.ErrAway) || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("create: %v", err)
	}
}

// What a broker says about the question is no trouble with the access to it.
func TestNoTroubleWithAccess(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for _, err := range []error{nil, kafka.TopicAuthorizationFailed, kafka.RequestTimedOut, kafka.NotLeaderForPartition, context.Canceled, errors.New("else"), ErrTooLarge} {
		if a := c.Access(err); a != nil {
			t.Errorf("%v: got %v", err, a)
		}
	}
	if a := c.Access(fmt.Errorf("join: %w", kafka.UnsupportedSASLMechanism)); a == nil || a.Advice != "give a login in kafka.sasl" {
		t.Errorf("a login that is missing: got %v", a)
	}
}

// A cluster that goes away under a member: its fetches and commits say so, and so does the next join.
func TestAccessOfAMember(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	s := newSource(t, newClientTo(t, cluster.ListenAddrs()[0]), SourceConfig{Group: newName(t), Topics: []string{"t"}})
	g := nextGeneration(t, s)
	cluster.Close()
	tp := consumer.TopicPartition{Topic: "t"}
	until(t, "the connections are closed", func() error {
		if err := g.Commit(t.Context(), map[consumer.TopicPartition]int64{tp: 0}); !errors.Is(err, consumer.ErrAway) {
			return fmt.Errorf("commit: %w", err)
		}
		return nil
	})
	if _, err := g.Fetch(t.Context(), tp, 0); !errors.Is(err, consumer.ErrAway) {
		t.Errorf("fetch: %v", err)
	}
	g.Release()
	if _, err := s.Next(t.Context()); !errors.Is(err, consumer.ErrAway) {
		t.Errorf("join: %v", err)
	}
}
