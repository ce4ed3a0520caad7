package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"
)

// Kafka holds the settings of the cluster, the group and the topics.
type Kafka struct {
	// Brokers to ask first, host:port. The others of the cluster are found through them.
	Brokers []string `yaml:"brokers" default:"127.0.0.1:9092" format:"address" required:"true"`
	// Name of this program in the brokers' logs and quotas.
	ClientID string `yaml:"client_id" default:"toprelay" required:"true"`
	// Consumer group. Workers with one group share the partitions, and the group's offsets say what is settled.
	GroupID string `yaml:"group_id" default:"toprelay" required:"true"`
	// Topics that are consumed. Any event type may arrive on any of them. An element is a name, or for a topic of plain
	// JSON an object that says what its events are.
	//
	// Refused: an empty list; a topic twice; one of the topics that the worker itself writes.
	Topics []Topic `yaml:"topics" default:"top.status-changes,top.work-orders" required:"true"`
	// Topic for events that could not be delivered.
	//
	// Refused: a topic that is consumed.
	DeadLetterTopic string `yaml:"dead_letter_topic" default:"top.dead-letters" format:"topic" required:"true"`
	// Topic for what operators did with dead letters.
	//
	// Refused: a topic that has another use.
	ActionsTopic string `yaml:"actions_topic" default:"top.dead-letters.actions" format:"topic" required:"true"`
	// Topic for one `top.result.v1` for each settled event. Empty: no results are written.
	//
	// Refused: a topic that has another use.
	ResultsTopic string `yaml:"results_topic" format:"topic"`
	// Where a group begins that has no commit at all. New partitions of a known topic begin at the earliest in any case.
	StartOffset string `yaml:"start_offset" default:"earliest" enum:"earliest,latest"`
	// The broker takes a member for dead after this time without a heartbeat.
	SessionTimeout time.Duration `yaml:"session_timeout" default:"10s" min:"1s"`
	// Time between two heartbeats.
	//
	// Refused: half of `session_timeout` or more, because one lost heartbeat would end the membership.
	HeartbeatInterval time.Duration `yaml:"heartbeat_interval" default:"1s" min:"100ms"`
	// Time that a rebalance gives its members to finish and join again.
	//
	// Refused: a value that is not more than 5 s above `consumer.drain_timeout`.
	RebalanceTimeout time.Duration `yaml:"rebalance_timeout" default:"60s" min:"1s"`
	// How long the start waits for missing topics before it gives up with exit code 6.
	TopicsTimeout time.Duration `yaml:"topics_timeout" default:"60s"`
	// Encrypts the connections to the brokers. Present, even empty (`tls: {}`): on.
	TLS *TLS `yaml:"tls"`
	// Logs in to the brokers. Absent: no login.
	SASL *SASL `yaml:"sasl"`
}

// Topic is one consumed topic.
type Topic struct {
	// Name of the topic.
	Name string `yaml:"name" format:"topic" required:"true" example:"wms.orders"`
	// For publishers that send plain JSON instead of CloudEvents: what the events of this topic are. The whole value is
	// `data`.
	Plain *Plain `yaml:"plain"`
}

// Plain says what the events of a topic of plain JSON are.
type Plain struct {
	// Event type of all records of the topic.
	//
	// Refused: a type that no schema describes.
	Type string `yaml:"type" required:"true" example:"top.workorder.sync.v1"`
	// The events' `source`.
	Source string `yaml:"source" required:"true" example:"/wms/hangzhou-1"`
	// JSON Pointers (RFC 6901) into the value whose texts make the event's id. Several are joined with their lengths.
	ID []string `yaml:"id" format:"pointer" required:"true" example:"/order/id,/order/version"`
}

// TLS holds the certificates of connections to servers of our own side.
type TLS struct {
	// PEM file of the authorities that sign the servers' certificates. Empty: those of the system.
	CAFile string `yaml:"ca_file" format:"file" example:"secrets/ca.pem"`
	// PEM file of the client certificate. Empty: none.
	//
	// Refused: without `key_file`.
	CertFile string `yaml:"cert_file" format:"file" example:"secrets/client.pem"`
	// PEM file of the client certificate's key.
	//
	// Refused: without `cert_file`; a file that others can read.
	KeyFile string `yaml:"key_file" format:"secret" example:"secrets/client.key"`
}

// SASL is the login to the brokers.
type SASL struct {
	// How the password is proved.
	Mechanism string `yaml:"mechanism" enum:"plain,scram-sha-256,scram-sha-512" required:"true" example:"scram-sha-512"`
	// User name.
	Username string `yaml:"username" required:"true" example:"toprelay"`
	// File with the password.
	//
	// Refused: a file that is missing, empty or readable by others.
	PasswordFile string `yaml:"password_file" format:"secret" required:"true" example:"secrets/kafka-password"`
}

// ClientConfig reads the certificates. Errors name the file.
func (t *TLS) ClientConfig() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading ca_file: %s holds no PEM certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading cert_file and key_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
