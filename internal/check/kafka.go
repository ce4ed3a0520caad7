package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/network"
)

// cluster is what came of asking Kafka.
type cluster struct {
	findings []Finding
	client   *broker.Client // nil where none can be made
	answers  bool
}

func (r *run) kafka(ctx context.Context) {
	c := r.askKafka(ctx)
	for _, f := range c.findings {
		r.add(f)
	}
	if c.answers {
		r.group(ctx, c.client)
	}
}

// askKafka asks the cluster once. First each configured address by hand, so that it can be told what is wrong with it:
// the client tries them in any order and says only what happened with one.
func (r *run) askKafka(ctx context.Context) *cluster {
	if r.cluster != nil {
		return r.cluster
	}
	c := &cluster{}
	r.cluster = c
	fail := func(cause Cause, message, advice string) *cluster {
		c.findings = append(c.findings, Finding{Status: Failed, Cause: cause, Message: message, Advice: advice})
		return c
	}
	var encryption *tls.Config
	if t := r.Config.Kafka.TLS; t != nil {
		var err error
		if encryption, err = t.ClientConfig(); err != nil {
			return fail(BadConfiguration, "kafka.tls: "+err.Error(), "correct the files of kafka.tls")
		}
	}
	client, err := r.Connect()
	if err != nil {
		return fail(BadConfiguration, err.Error(), "correct the section kafka")
	}
	c.client = client
	up := 0
	troubles := r.dialAll(ctx, encryption)
	for _, t := range troubles {
		if t == nil {
			up++
		}
	}
	for i, t := range troubles {
		if t == nil {
			continue
		}
		f := Finding{Status: Failed, Cause: Unreachable, Message: r.Config.Kafka.Brokers[i] + ": " + network.Explain(t, r.Timeout), Advice: r.kafkaAdvice(t)}
		if up > 0 { // the others will do
			f.Status, f.Cause = Warning, ""
		}
		c.findings = append(c.findings, f)
	}
	if up == 0 {
		return c
	}
	asking, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	n, err := client.Brokers(asking)
	if err != nil {
		return fail(Unreachable, strings.Join(r.Config.Kafka.Brokers, ", ")+": "+r.kafkaRefusal(err), r.kafkaAdvice(err))
	}
	c.answers = true
	c.findings = append(c.findings, Finding{Status: OK, Message: fmt.Sprintf("%s: %s%s", strings.Join(r.Config.Kafka.Brokers, ", "), count(n, "broker"), r.protection())})
	return c
}

// dialAll opens a connection to each configured broker, with TLS where that is on, and closes it. The errors are in the
// order of the brokers.
func (r *run) dialAll(ctx context.Context, encryption *tls.Config) []error {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	errs := make([]error, len(r.Config.Kafka.Brokers))
	var dialling sync.WaitGroup
	for i, address := range r.Config.Kafka.Brokers {
		dialling.Go(func() { errs[i] = dial(ctx, address, encryption) })
	}
	dialling.Wait()
	return errs
}

func dial(ctx context.Context, address string, encryption *tls.Config) error {
	var conn net.Conn
	var err error
	if encryption == nil {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", address)
	} else {
		conn, err = (&tls.Dialer{Config: encryption}).DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return err
	}
	return conn.Close()
}

// refusal is how a reply of Kafka that says no looks; its Title is the protocol's name for the error.
type refusal interface {
	error
	Title() string
}

// kafkaRefusal says what is wrong with a cluster that was reached.
func (r *run) kafkaRefusal(err error) string {
	var no refusal
	access := r.cluster.client.Access(err)
	switch refuses := errors.As(err, &no); {
	case refuses && access != nil:
		return access.Message
	case refuses:
		return "Kafka refuses: " + no.Title()
	case r.Config.Kafka.SASL != nil && network.Diagnose(err) == network.Closed:
		return "the connection was closed during the login"
	default:
		return network.Explain(err, r.Timeout)
	}
}

// kafkaAdvice says what to do about an error of a connection to Kafka.
func (r *run) kafkaAdvice(err error) string {
	if access := r.cluster.client.Access(err); access != nil {
		return access.Advice
	}
	return "look at the broker's log"
}

// protection says how the connections are protected.
func (r *run) protection() string {
	k := r.Config.Kafka
	switch {
	case k.TLS != nil && k.SASL != nil:
		return ", TLS, logged in as " + k.SASL.Username
	case k.TLS != nil:
		return ", TLS"
	case k.SASL != nil:
		return ", logged in as " + k.SASL.Username + " without TLS"
	default:
		return ""
	}
}

// beyond says what is wrong with a cluster that has answered one question and not another one. An address that the
// cluster names and this machine cannot reach shows only there, and is the commonest of all troubles with Kafka. advice is
// for a refusal.
func (r *run) beyond(err error, advice string) (message, what string) {
	if !broker.IsUnreachable(err) {
		return r.kafkaRefusal(err), advice
	}
	where := ""
	if access := r.cluster.client.Access(err); access != nil && access.Address != "" {
		where = " (" + access.Address + ")"
	}
	return "a broker that the cluster names cannot be reached" + where + ": " + network.Explain(err, r.Timeout),
		"correct advertised.listeners of the brokers: each must be an address that this machine can reach"
}
