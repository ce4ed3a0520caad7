//go:build redis

package dedup

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/consumer"
)

// Who may use a server, and which servers a ledger is kept on.

func TestPasswordIsRotated(t *testing.T) {
	srv := runServer(t)
	srv.tell("ACL", "SETUSER", "worker", "on", ">first", "~*", "&*", "+@all")
	var password atomic.Value
	password.Store("first")
	at := srv.options()
	at.Timeout = 300 * time.Millisecond
	at.Username, at.Password = "worker", func() string { return password.Load().(string) }
	s := openRedis(t, at, nil, Options{})
	held := mustClaim(t, s, repeatable("held"), consumer.AnswerMine)
	srv.tell("ACL", "SETUSER", "worker", "resetpass", ">second")
	srv.tell("CLIENT", "KILL", "USER", "worker")
	for err := error(nil); troubleOf(err) != RedisLogin; _, err = s.Claim(t.Context(), repeatable("refused")) {
		if err != nil && troubleOf(err) != RedisSlow && troubleOf(err) != RedisDown { // the connections that were cut
			t.Fatal(err)
		}
	}
	refuses(t, s, idOf("held"), held.Token, RedisLogin)
	password.Store("second")
	goesOn(t, s, idOf("held"), held.Token)
	srv.tell("ACL", "SETUSER", "worker", "-evalsha", "-eval")
	refuses(t, s, idOf("held"), held.Token, RedisPermission)
}

func TestEncrypted(t *testing.T) {
	cert, key, trusted := certificate(t)
	srv := runServer(t, "--tls-port", strconv.Itoa(freePort(t)), "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert,
		"--tls-auth-clients", "no")
	at := RedisOptions{Addresses: []string{net.JoinHostPort("127.0.0.1", srv.args[1])}, TLS: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}
	deliver(t, openRedis(t, at, nil, Options{}), "a")
	at.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if _, err := startRedis(t, at, nil, Options{}); troubleOf(err) == "" || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that is not trusted: %v", err)
	}
}

// certificate makes a self-signed certificate for 127.0.0.1.
func certificate(t *testing.T) (cert, key string, trusted *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	must(t, os.WriteFile(cert, text, 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	trusted = x509.NewCertPool()
	trusted.AppendCertsFromPEM(text)
	return cert, key, trusted
}

func TestFirstPasswordIsWrong(t *testing.T) {
	srv := runServer(t, "--requirepass", "secret")
	for _, password := range []func() string{nil, func() string { return "wrong" }} {
		at := srv.options()
		at.Password = password
		if _, err := startRedis(t, at, nil, Options{}); troubleOf(err) != RedisLogin {
			t.Errorf("Start: %v, want RedisLogin", err)
		}
	}
}

func TestStartRefusesAServerThatForgets(t *testing.T) {
	srv := runServer(t)
	for _, policy := range []string{"allkeys-lru", "volatile-ttl", "volatile-lru"} {
		srv.tell("CONFIG", "SET", "maxmemory-policy", policy)
		if _, err := startRedis(t, srv.options(), nil, Options{}); err == nil || troubleOf(err) != "" || !strings.Contains(err.Error(), policy) {
			t.Errorf("Start with %s: %v", policy, err)
		}
	}
	// Where INFO is not allowed the settings are asked; where both are not, it is said.
	srv.tell("ACL", "SETUSER", "worker", "on", "nopass", "~*", "&*", "+@all", "-info")
	at := srv.options()
	at.Username, at.Password = "worker", func() string { return "x" }
	if _, err := startRedis(t, at, nil, Options{}); err == nil || !strings.Contains(err.Error(), "volatile-lru") {
		t.Errorf("Start without INFO: %v", err)
	}
	srv.tell("ACL", "SETUSER", "worker", "-config")
	var log safeBuffer
	s, err := startRedis(t, at, nil, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	must(t, err)
	mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
	if text := log.String(); !strings.Contains(text, "maxmemory-policy") || !strings.Contains(text, "version") {
		t.Errorf("the log says %s", text)
	}
	// A policy that changes later is said, and nothing stops.
	log = safeBuffer{}
	srv.tell("ACL", "SETUSER", "worker", "+info")
	if got := s.checkPolicy(t.Context(), noEviction); got != "volatile-lru" || !strings.Contains(log.String(), "volatile-lru") {
		t.Errorf("%q; the log says %s", got, log.String())
	}
}
