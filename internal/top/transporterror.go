package top

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// errTimeout is the cause of an attempt's own deadline.
var errTimeout = errors.New("time-out")

var (
	errOversized = errors.New("the reply is over 8 MiB")
	errGarbage   = errors.New("the reply is long and neither JSON nor XML")
)

// explain turns an error of net/http into one that is safe to show: net/http repeats what the peer sent, and the peer may
// send back what it got. Errors of the network, of TLS and of names are known to hold addresses only.
func explain(err error, timeout time.Duration, written bool) error {
	var (
		dns       *net.DNSError
		op        *net.OpError
		slow      net.Error
		verify    *tls.CertificateVerificationError
		notTLS    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		flateErr  flate.CorruptInputError
	)
	switch {
	case errors.Is(err, errTimeout):
		if written {
			return fmt.Errorf("no reply within %s: %w", timeout, context.DeadlineExceeded)
		}
		return fmt.Errorf("no connection within %s: %w", timeout, context.DeadlineExceeded)
	case errors.Is(err, errOversized), errors.Is(err, errGarbage):
		return err
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	case errors.As(err, &dns):
		return fmt.Errorf("look up the gateway: %w", dns)
	case errors.As(err, &verify), errors.As(err, &authority):
		return fmt.Errorf("TLS: the gateway's certificate is refused: %s", certificateFault(err))
	case errors.As(err, &notTLS), errors.Is(err, http.ErrSchemeMismatch):
		return errors.New("TLS: the gateway does not speak TLS")
	case errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"):
		return fmt.Errorf("TLS: %w", op) // an alert
	case errors.As(err, &op):
		return fmt.Errorf("network: %w", op)
	case errors.As(err, &slow) && slow.Timeout() && !written:
		return fmt.Errorf("TLS: no handshake in time: %w", context.DeadlineExceeded)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the reply was cut off: %w", io.ErrUnexpectedEOF)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the gateway closed the connection: %w", io.EOF)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &flateErr):
		return errors.New("the reply is broken gzip")
	case strings.Contains(err.Error(), "server closed idle connection"):
		return errors.New("the gateway closed an idle connection")
	}
	return errors.New("the exchange failed or was no HTTP")
}

// certificateFault is the text of an X.509 error: host names, dates and names of authorities.
func certificateFault(err error) string {
	text := err.Error()
	if _, after, ok := strings.Cut(text, "x509: "); ok {
		return after
	}
	return "not valid"
}

// withoutSecrets is the last gate of an error: one that holds any of the texts is replaced.
func withoutSecrets(err error, secrets ...string) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, s := range secrets {
		if s != "" && strings.Contains(text, s) {
			return errors.New("the exchange failed; its error held a secret and is not shown")
		}
	}
	return err
}
