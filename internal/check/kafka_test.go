package check

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/toprelay/worker/internal/broker/embedded"
	"github.com/toprelay/worker/internal/config"
)

// nobody is an address where nothing listens.
func nobody(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// kafkaOf runs a broker with options that the embedded one does not have.
func kafkaOf(t *testing.T, opts ...kfake.Opt) string {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

func startBroker(t *testing.T, o embedded.Options) string {
	t.Helper()
	b, err := embedded.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b.Addrs()[0]
}

func TestKafka(t *testing.T) {
	p := newPlace(t)
	addr := startBroker(t, embedded.Options{})
	want(t, look(t, p.load("kafka.brokers="+addr), Kafka), "ok kafka "+addr+": 1 broker", "ok kafka group toprelay: 0 members")

	away := nobody(t)
	want(t, look(t, p.load("kafka.brokers="+away), Kafka, Topics),
		"failed/unreachable kafka "+away+": connection refused … correct kafka.brokers", "skipped topics Kafka does not answer")
	// One of several will do.
	want(t, look(t, p.load("kafka.brokers="+away+","+addr), Kafka),
		"warning kafka "+away+": connection refused", "ok kafka 1 broker", "ok kafka group")
	want(t, look(t, p.load("kafka.brokers=name.invalid:9092"), Kafka), "failed/unreachable kafka the host name cannot be resolved")
}

// A listener that takes connections and never says a word is told from one that refuses.
func TestKafkaSilent(t *testing.T) {
	p := newPlace(t)
	ca, _ := certificate(t, p)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	short := func(sets ...string) []Finding {
		cfg := p.load(append(sets, "kafka.brokers="+listener.Addr().String())...)
		return Run(t.Context(), Options{Config: cfg, Connect: connectTo(cfg), Timeout: 100 * time.Millisecond, Only: []string{Kafka}})
	}
	want(t, short(), "failed/unreachable kafka no answer within 100ms … firewall … kafka.tls or kafka.sasl")
	want(t, short("kafka.tls.ca_file="+ca), "failed/unreachable kafka no answer within 100ms … the port speaks no TLS")
}

func TestKafkaTLS(t *testing.T) {
	p := newPlace(t)
	ca, server := certificate(t, p)
	addr := kafkaOf(t, kfake.TLS(server))
	_, port, _ := net.SplitHostPort(addr)
	trusted := "kafka.tls.ca_file=" + ca
	want(t, look(t, p.load("kafka.brokers="+addr, trusted), Kafka), "ok kafka 1 broker, TLS", "ok kafka group")
	p.write("none.pem", "nothing", 0o644)
	for _, test := range []struct {
		name string
		sets []string
		line string
	}{
		{"not trusted", []string{"kafka.brokers=" + addr, "kafka.tls.ca_file="}, "failed/unreachable kafka TLS: the certificate is signed by no authority … kafka.tls.ca_file"},
		{"other name", []string{"kafka.brokers=localhost:" + port, trusted}, "failed/unreachable kafka TLS: the certificate is for other host names … use in kafka.brokers a name"},
		{"TLS not asked for", []string{"kafka.brokers=" + addr}, "failed/unreachable kafka the port wants kafka.tls"},
		{"no authority", []string{"kafka.brokers=" + addr, "kafka.tls.ca_file=" + p.dir + "/none.pem"}, "failed/configuration kafka holds no PEM certificate"},
	} {
		t.Run(test.name, func(t *testing.T) { want(t, look(t, p.load(test.sets...), Kafka), test.line) })
	}
}

func TestKafkaSASL(t *testing.T) {
	p := newPlace(t)
	addr := kafkaOf(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "relay", "password-not-real"))
	p.write("good", "password-not-real", 0o600)
	p.write("wrong", "other-not-real", 0o600)
	login := func(mechanism, file string) *config.Config {
		return p.load("kafka.brokers="+addr, "kafka.sasl.mechanism="+mechanism, "kafka.sasl.username=relay", "kafka.sasl.password_file="+p.dir+"/"+file)
	}
	want(t, look(t, login("scram-sha-256", "good"), Kafka), "ok kafka 1 broker, logged in as relay without TLS", "ok kafka group")
	// This broker hangs up, where a real one says why (see TestRealKafka).
	want(t, look(t, login("scram-sha-256", "wrong"), Kafka), "failed/unreachable kafka closed during the login … look for a firewall and at the login")
	want(t, look(t, login("plain", "good"), Kafka), "failed/unreachable kafka closed during the login")
	want(t, look(t, p.load("kafka.brokers="+addr), Kafka), "failed/unreachable kafka closed without an answer … or kafka.sasl")
	want(t, look(t, login("plain", "gone"), Kafka), "failed/configuration kafka gone")
}

// The client asks the leaders of partitions at the addresses that the cluster names, which can be others than those that
// are configured.
func TestAdvertisedAddress(t *testing.T) {
	p, away := newPlace(t), nobody(t)
	b, err := embedded.Start(embedded.Options{Advertise: away, Topics: defaultTopics()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	want(t, look(t, p.load("kafka.brokers="+b.ListenAddr()), Kafka, Topics),
		"ok kafka "+b.ListenAddr()+": 1 broker",
		"failed/unreachable kafka group toprelay: a broker that the cluster names cannot be reached ("+away+"): connection refused … advertised.listeners",
		"failed/unreachable topics a broker that the cluster names cannot be reached ("+away+") … advertised.listeners")
}

// certificate makes one for 127.0.0.1 that signs itself, and writes it down.
func certificate(t *testing.T, p place) (file string, server *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file = p.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o644)
	return file, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func TestDialEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := dial(ctx, nobody(t), nil); err == nil {
		t.Error("dialled")
	}
}
