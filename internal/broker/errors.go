package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/segmentio/kafka-go"
)

// MissingTopicsError names topics that do not exist. It is Kafka's error 3.
type MissingTopicsError struct {
	Topics []string // sorted
}

func (e *MissingTopicsError) Error() string {
	return fmt.Sprintf("Kafka has no topic %s; 'worker topics create' makes it", strings.Join(e.Topics, ", "))
}

func (e *MissingTopicsError) Unwrap() error { return kafka.UnknownTopicOrPartition }

// ErrReplicas says that a topic was to have more replicas than the cluster has brokers. It is Kafka's error 38.
var ErrReplicas = errors.New("more replicas than the cluster has brokers")

// IsUnreachable says whether err means that no broker could be asked: it is away, does not answer in time, or hangs up.
// A refusal by a broker is none, nor is a certificate that is not trusted.
func IsUnreachable(err error) bool {
	var refusal kafka.Error
	if errors.As(err, &refusal) {
		return false // it looks like a net.Error too
	}
	var network net.Error
	var dns *net.DNSError
	return errors.As(err, &network) || errors.As(err, &dns) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// MayPass says whether err may be gone when Kafka is asked again: it could not be asked, or a broker cannot answer now.
func MayPass(err error) bool {
	var access *AccessError
	var refusal kafka.Error
	switch {
	case errors.As(err, &access):
		return true
	case errors.As(err, &refusal):
		return refusal.Temporary() || refusal == kafka.BrokerNotAvailable
	default:
		return IsUnreachable(err)
	}
}
