package broker

import (
	"errors"
	"net"
	"strings"

	"github.com/segmentio/kafka-go"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/network"
)

// AccessError says in words why Kafka could not be asked, and what to do: no broker answers (consumer.ErrAway), or a login
// or a certificate is refused (consumer.ErrRefused). Every error of this package that is of that kind wraps one.
type AccessError struct {
	Address string // of the broker that was tried last, where it is known
	Message string
	Advice  string
	kind    error
	cause   error
}

func (e *AccessError) Error() string {
	text := e.Message + "; " + e.Advice
	if e.Address != "" {
		text = e.Address + ": " + text
	}
	return text
}

// Is makes the error one of the consumer's two.
func (e *AccessError) Is(target error) bool { return target == e.kind }

func (e *AccessError) Unwrap() error { return e.cause }

// Access says why err keeps the client from Kafka; nil where it does not: then a broker has answered.
func (c *Client) Access(err error) *AccessError {
	var known *AccessError
	if err == nil || errors.As(err, &known) {
		return known
	}
	e := &AccessError{Address: addressIn(err), kind: consumer.ErrRefused, cause: err}
	var refusal kafka.Error
	switch isRefusal := errors.As(err, &refusal); {
	case errors.Is(err, errUnfitPassword):
		e.Message, e.Advice = errUnfitPassword.Error(), "correct username and password file of kafka.sasl"
	case isRefusal && strings.Contains(refusal.Title(), "SASL"):
		e.Message, e.Advice = "the login is refused: "+refusal.Title(), "correct mechanism, username and password file of kafka.sasl"
		if c.sasl == nil {
			e.Advice = "give a login in kafka.sasl"
		}
	case errors.Is(err, kafka.BrokerNotAvailable): // kafka-go's word where it has never seen the cluster
		e.Message, e.Advice, e.kind = "no broker answers", "start Kafka, or correct kafka.brokers", consumer.ErrAway
	case isRefusal:
		return nil
	default:
		e.Message, e.Advice = network.Explain(err, 0), c.advice(network.Diagnose(err))
		if !ofTLS(err) {
			if !IsUnreachable(err) {
				return nil
			}
			e.kind = consumer.ErrAway
		}
	}
	return e
}

// explain is err, or where it keeps the client from Kafka, why.
func (c *Client) explain(err error) error {
	if e := c.Access(err); e != nil {
		return e
	}
	return err
}

// ofTLS says whether the two sides did not agree on a protected connection.
func ofTLS(err error) bool {
	switch network.Diagnose(err) {
	case network.Untrusted, network.WrongName, network.OutOfDate, network.NoTLS, network.RefusedTLS:
		return true
	default:
		return false
	}
}

// addressIn is the address or the name that an error of the network is about.
func addressIn(err error) string {
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return dns.Name
	case errors.As(err, &op) && op.Addr != nil:
		return op.Addr.String()
	default:
		return ""
	}
}

// advice says what to do about a connection that cannot be made.
func (c *Client) advice(t network.Trouble) string {
	switch t {
	case network.UnknownName, network.Refused, network.NoRoute:
		return "start Kafka there, or correct kafka.brokers"
	case network.Untrusted:
		return "give the authority's certificate in kafka.tls.ca_file"
	case network.WrongName:
		return "use in kafka.brokers a name that the certificate has"
	case network.OutOfDate:
		return "renew the broker's certificate, or set this machine's clock"
	case network.NoTLS:
		return "use the broker's TLS port, or remove kafka.tls"
	case network.RefusedTLS:
		return "correct cert_file and key_file of kafka.tls"
	case network.Silent, network.Closed:
		switch {
		case c.cfg.TLS == nil && c.sasl == nil:
			return "look for a firewall; or the port wants kafka.tls or kafka.sasl"
		case c.cfg.TLS == nil:
			return "look for a firewall and at the login; or the port wants kafka.tls"
		case c.sasl == nil:
			return "look for a firewall; or the port speaks no TLS, or wants kafka.sasl"
		default:
			return "look for a firewall and at the login; or the port speaks no TLS"
		}
	default:
		return "look at the broker's log"
	}
}
