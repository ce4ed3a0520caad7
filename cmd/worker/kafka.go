package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/toprelay/worker/internal/app"
	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/secret"
)

// kafkaFlags are the flags of commands that talk to Kafka only, so that they need no configuration file.
type kafkaFlags struct {
	*configFlags
	brokers []string
}

// addKafkaFlags gives cmd the flags --brokers and --set.
func addKafkaFlags(c *cli, cmd *cobra.Command) *kafkaFlags {
	f := &kafkaFlags{configFlags: addConfigFlags(c, cmd)}
	cmd.Flags().StringSliceVar(&f.brokers, "brokers", nil, "host:port of the brokers, instead of kafka.brokers of the configuration")
	return f
}

// load reads what the command needs of the configuration. Without a file all is as by default.
func (f *kafkaFlags) load() (*config.Config, error) {
	if len(f.brokers) > 0 {
		f.sets = append(f.sets, "kafka.brokers="+strings.Join(f.brokers, ","))
	}
	return f.loadKafka()
}

// connectKafka makes a client of the configured cluster. It does not connect yet.
func connectKafka(cfg *config.Config) (*broker.Client, error) {
	var password *secret.File
	if login := cfg.Kafka.SASL; login != nil {
		var err error
		if password, err = secret.Open(login.PasswordFile); err != nil {
			return nil, withCode(exitConfig, fmt.Errorf("kafka.sasl.password_file: %w", err))
		}
	}
	options, err := app.Cluster(cfg.Kafka, password)
	if err != nil {
		return nil, withCode(exitConfig, err)
	}
	client, err := broker.NewClient(options)
	return client, withCode(exitConfig, err)
}

// kafkaError gives an error of a call to Kafka its exit code, and says which brokers were asked where none could be.
func kafkaError(cfg *config.Config, err error) error {
	var coded *exitError
	var access *broker.AccessError
	if err == nil || errors.As(err, &coded) || !errors.As(err, &access) {
		return err
	}
	what := "no answer from Kafka"
	if errors.Is(err, consumer.ErrRefused) {
		what = "no connection to Kafka"
	}
	return withCode(exitUnreachable, fmt.Errorf("%s at %s: %w", what, strings.Join(cfg.Kafka.Brokers, ", "), err))
}
