package broker

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
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

const testPassword = "canary-password"

// writeCertificate makes a self-signed certificate for 127.0.0.1 and returns its files.
func writeCertificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	der2, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: der2}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// readCertificate is a pool with the certificate of a file.
func readCertificate(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatalf("%s holds no certificate", file)
	}
	return pool
}

// roundTrip does all that the package does, over cfg: metadata, a write, a membership, a fetch, a commit.
func roundTrip(t *testing.T, cfg Config, topic string) error {
	t.Helper()
	cfg.MetadataTTL = 300 * time.Millisecond
	c, err := NewClient(cfg)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := c.Topics(ctx, topic); err != nil {
		return err
	}
	w := c.NewWriter()
	defer w.Close()
	if err := w.Write(ctx, topic, 0, event.Record{Value: []byte("v")}); err != nil {
		return err
	}
	s, err := c.NewSource(SourceConfig{Group: newName(t), Topics: []string{topic}})
	if err != nil {
		return err
	}
	defer s.Close()
	g, err := s.Next(ctx)
	for err != nil && ctx.Err() == nil {
		g, err = s.Next(ctx)
	}
	if err != nil {
		return err
	}
	defer g.Release()
	if _, err := g.Fetch(ctx, consumer.TopicPartition{Topic: topic}, 0); err != nil {
		return err
	}
	return g.Commit(ctx, map[consumer.TopicPartition]int64{{Topic: topic}: 1})
}

func TestSASL(t *testing.T) {
	t.Parallel()
	password := func() string { return testPassword }
	for _, mechanism := range []string{"plain", "scram-sha-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.EnableSASL(),
				kfake.Superuser(strings.ToUpper(mechanism), "relay", testPassword))
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			cfg := Config{Brokers: cluster.ListenAddrs(), SASL: &SASL{Mechanism: mechanism, Username: "relay", Password: password}}
			if err := roundTrip(t, cfg, "t"); err != nil {
				t.Error(err)
			}
			cfg.SASL = &SASL{Mechanism: mechanism, Username: "relay", Password: func() string { return "wrong-" + testPassword }}
			err = roundTrip(t, cfg, "t")
			if err == nil || strings.Contains(err.Error(), testPassword) {
				t.Errorf("wrong password: got %v, want an error without the password", err)
			}
			cfg.SASL = nil
			if err := roundTrip(t, cfg, "t"); err == nil {
				t.Error("without SASL: no error")
			}
		})
	}
}

// The password is asked for at each connection: after a change in the file the next one uses the new one.
func TestSASLPasswordMayChange(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "relay", testPassword))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	var password atomic.Value
	password.Store("old")
	c, err := NewClient(Config{Brokers: cluster.ListenAddrs(), MetadataTTL: 300 * time.Millisecond,
		SASL: &SASL{Mechanism: "scram-sha-512", Username: "relay", Password: func() string { return password.Load().(string) }}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Topics(t.Context(), "t"); err == nil {
		t.Error("with the old password: no error")
	}
	password.Store(testPassword)
	if _, err := c.Topics(t.Context(), "t"); err != nil {
		t.Errorf("with the new password: %v", err)
	}
}

func TestTLSWithAClientCertificate(t *testing.T) {
	t.Parallel()
	serverFile, serverKey := writeCertificate(t)
	clientFile, clientKey := writeCertificate(t)
	pair := func(cert, key string) []tls.Certificate {
		p, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{p}
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.TLS(&tls.Config{
		Certificates: pair(serverFile, serverKey), ClientCAs: readCertificate(t, clientFile), ClientAuth: tls.RequireAndVerifyClientCert,
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	for name, test := range map[string]struct {
		cfg *tls.Config
		ok  bool
	}{
		"trusted, with a certificate": {&tls.Config{RootCAs: readCertificate(t, serverFile), Certificates: pair(clientFile, clientKey)}, true},
		"without a certificate":       {&tls.Config{RootCAs: readCertificate(t, serverFile)}, false},
		"an unknown authority":        {&tls.Config{RootCAs: readCertificate(t, clientFile), Certificates: pair(clientFile, clientKey)}, false},
	} {
		if err := roundTrip(t, Config{Brokers: cluster.ListenAddrs(), TLS: test.cfg}, "t"); (err == nil) != test.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := roundTrip(t, Config{Brokers: cluster.ListenAddrs()}, "t"); err == nil {
		t.Error("plain text to a TLS listener: no error")
	}
}

func TestNewClientRefuses(t *testing.T) {
	password := func() string { return testPassword }
	for want, cfg := range map[string]Config{
		"no broker":              {},
		"use host:port":          {Brokers: []string{"localhost"}},
		"unknown SASL mechanism": {Brokers: []string{"h:1"}, SASL: &SASL{Mechanism: "gssapi", Username: "u", Password: password}},
		"user name":              {Brokers: []string{"h:1"}, SASL: &SASL{Mechanism: "plain", Password: password}},
	} {
		_, err := NewClient(cfg)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), testPassword) {
			t.Errorf("got %v, want an error with %q and without the password", err, want)
		}
	}
}

// Passwords that SCRAM cannot carry are an error that does not quote them.
func TestSASLPasswordIsNotQuoted(t *testing.T) {
	t.Parallel()
	m, err := newMechanism(&SASL{Mechanism: "scram-sha-256", Username: "u", Password: func() string { return testPassword + "\u0007" }})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Start(t.Context()); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v, want an error without the password", err)
	}
}
