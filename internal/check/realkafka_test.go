//go:build kafka

// What only a real Apache Kafka shows. test/kafka/run starts one and sets the environment.

package check

import (
	"os"
	"testing"
)

func env(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s is not set: run the tests with the tag kafka under test/kafka/run", name)
	}
	return v
}

func TestRealKafka(t *testing.T) {
	p := newPlace(t)
	p.write("wrong", "other-not-real", 0o600)
	var (
		plain    = "kafka.brokers=" + env(t, "TOPRELAY_TEST_KAFKA")
		withTLS  = "kafka.brokers=" + env(t, "TOPRELAY_TEST_KAFKA_TLS")
		withSASL = "kafka.brokers=" + env(t, "TOPRELAY_TEST_KAFKA_SASL")
		ca       = "kafka.tls.ca_file=" + env(t, "TOPRELAY_TEST_KAFKA_CA")
		user     = "kafka.sasl.username=" + env(t, "TOPRELAY_TEST_KAFKA_USER")
		password = "kafka.sasl.password_file=" + env(t, "TOPRELAY_TEST_KAFKA_PASSWORD_FILE")
		scram    = "kafka.sasl.mechanism=scram-sha-512"
		wrong    = "kafka.sasl.password_file=" + p.dir + "/wrong"
	)
	for _, test := range []struct {
		name  string
		sets  []string
		lines []string
	}{
		{"plain", []string{plain}, []string{"ok kafka 1 broker", "ok kafka group toprelay: 0 members"}},
		{"TLS", []string{withTLS, ca}, []string{"ok kafka 1 broker, TLS", "ok kafka group"}},
		{"SASL", []string{withSASL, ca, scram, user, password}, []string{"ok kafka 1 broker, TLS, logged in as", "ok kafka group"}},
		{"wrong password", []string{withSASL, ca, scram, user, wrong}, []string{"failed/unreachable kafka the login is refused: SASL Authentication Failed … password file of kafka.sasl"}},
		{"no login", []string{withSASL, ca}, []string{"failed/unreachable kafka the connection was closed … kafka.sasl"}},
		{"no TLS", []string{withTLS}, []string{"failed/unreachable kafka the port wants kafka.tls"}},
		{"TLS at the plain port", []string{plain, ca}, []string{"failed/unreachable kafka the port speaks no TLS"}},
		{"not trusted", []string{withTLS, "kafka.tls.ca_file="}, []string{"failed/unreachable kafka TLS: the certificate is signed by no authority"}},
	} {
		t.Run(test.name, func(t *testing.T) { want(t, look(t, p.load(test.sets...), Kafka), test.lines...) })
	}
	want(t, look(t, p.load(plain, "kafka.topics=no.such.topic,top.neither"), Topics), "failed/unreachable topics missing: no.such.topic, top.neither, top.dead-letters")
}
