package app

import (
	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/secret"
)

// Cluster says how to reach the configured Kafka, for the worker and for the commands that ask Kafka without one. password
// is the opened kafka.sasl.password_file, nil where no login is configured. The error is of type config.Problems.
func Cluster(k config.Kafka, password *secret.File) (broker.Config, error) {
	cfg := broker.Config{Brokers: k.Brokers, ClientID: k.ClientID}
	if k.TLS != nil {
		t, err := k.TLS.ClientConfig()
		if err != nil {
			return cfg, problem("kafka.tls", err)
		}
		cfg.TLS = t
	}
	if k.SASL != nil {
		cfg.SASL = &broker.SASL{Mechanism: k.SASL.Mechanism, Username: k.SASL.Username, Password: password.Value}
	}
	return cfg, nil
}
