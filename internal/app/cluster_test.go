package app

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/secret"
)

func TestCluster(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("not-real\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	password, err := secret.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	k := config.Kafka{
		Brokers: []string{"kafka-1:9092"}, ClientID: "me", TLS: &config.TLS{},
		SASL: &config.SASL{Mechanism: "scram-sha-512", Username: "relay", PasswordFile: path},
	}
	got, err := Cluster(k, password)
	if err != nil || got.Brokers[0] != "kafka-1:9092" || got.ClientID != "me" || got.TLS == nil || got.SASL.Mechanism != "scram-sha-512" ||
		got.SASL.Username != "relay" || got.SASL.Password() != "not-real" {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := Cluster(config.Kafka{Brokers: k.Brokers}, nil); err != nil || got.TLS != nil || got.SASL != nil {
		t.Errorf("in plain text without a login: got %+v, %v", got, err)
	}
	k.TLS = &config.TLS{CAFile: filepath.Join(t.TempDir(), "gone.pem")}
	var problems config.Problems
	if _, err := Cluster(k, password); !errors.As(err, &problems) || problems[0].Key != "kafka.tls" {
		t.Errorf("a certificate that is not there: %v, want a problem of kafka.tls", err)
	}
}
