package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// trouble is what keeps two programs from talking.
type trouble int

const (
	otherTrouble trouble = iota
	unknownName          // the host name cannot be resolved
	refused              // the host is there, and nothing listens
	noRoute              // the host cannot be reached
	silent               // no answer in time
	closed               // the other side hung up
	untrusted            // TLS: signed by nobody that is trusted
	wrongName            // TLS: the certificate is for other names
	outOfDate            // TLS: not valid yet, or no more
	noTLS                // TLS: the other side speaks something else
	refusedTLS           // TLS: the other side refused the handshake
)

// diagnose tells which trouble an error is. All of them are known by their types; texts are not looked at.
func diagnose(err error) trouble {
	var (
		dns       *net.DNSError
		op        *net.OpError
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		header    tls.RecordHeaderError
		alert     tls.AlertError
		timeout   interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &authority):
		return untrusted
	case errors.As(err, &name):
		return wrongName
	case errors.As(err, &invalid):
		if invalid.Reason == x509.Expired {
			return outOfDate
		}
		return untrusted
	case errors.As(err, &header):
		return noTLS
	case errors.As(err, &alert), errors.As(err, &op) && op.Op == "remote error":
		return refusedTLS
	case errors.As(err, &dns) && !dns.IsTimeout:
		return unknownName
	case errors.Is(err, syscall.ECONNREFUSED):
		return refused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return noRoute
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return silent
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return closed
	default:
		return otherTrouble
	}
}

// explain says what the trouble with err is, in words. patience is how long was waited.
func explain(err error, patience time.Duration) string {
	switch diagnose(err) {
	case unknownName:
		return "the host name cannot be resolved"
	case refused:
		return "connection refused: nothing listens there"
	case noRoute:
		return "no way to that host"
	case silent:
		return fmt.Sprintf("no answer within %s", patience)
	case closed:
		return "the connection was closed without an answer"
	case untrusted:
		return "TLS: the certificate is signed by no authority that is trusted"
	case wrongName:
		return "TLS: the certificate is for other host names"
	case outOfDate:
		return "TLS: the certificate has expired, or is not valid yet"
	case noTLS:
		return "TLS: no TLS is spoken there"
	case refusedTLS:
		return "TLS: the other side refused the handshake"
	default:
		return err.Error()
	}
}
