// Package network says in words what keeps two programs from talking.
package network

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

// Trouble is what keeps two programs from talking.
type Trouble int

// The troubles.
const (
	Other       Trouble = iota
	UnknownName         // the host name cannot be resolved
	Refused             // the host is there, and nothing listens
	NoRoute             // the host cannot be reached
	Silent              // no answer in time
	Closed              // the other side hung up
	Untrusted           // TLS: signed by nobody that is trusted
	WrongName           // TLS: the certificate is for other names
	OutOfDate           // TLS: not valid yet, or no more
	NoTLS               // TLS: the other side speaks something else
	RefusedTLS          // TLS: the other side refused the handshake
)

// Diagnose tells which trouble an error is. All of them are known by their types; texts are not looked at.
func Diagnose(err error) Trouble {
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
		return Untrusted
	case errors.As(err, &name):
		return WrongName
	case errors.As(err, &invalid):
		if invalid.Reason == x509.Expired {
			return OutOfDate
		}
		return Untrusted
	case errors.As(err, &header):
		return NoTLS
	case errors.As(err, &alert), errors.As(err, &op) && op.Op == "remote error":
		return RefusedTLS
	case errors.As(err, &dns) && !dns.IsTimeout:
		return UnknownName
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return NoRoute
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return Silent
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Closed
	default:
		return Other
	}
}

// Explain says what the trouble with err is, in words. patience is how long was waited; 0: that is not known.
func Explain(err error, patience time.Duration) string {
	switch Diagnose(err) {
	case UnknownName:
		return "the host name cannot be resolved"
	case Refused:
		return "connection refused: nothing listens there"
	case NoRoute:
		return "no way to that host"
	case Silent:
		if patience == 0 {
			return "no answer in time"
		}
		return fmt.Sprintf("no answer within %s", patience)
	case Closed:
		return "the connection was closed without an answer"
	case Untrusted:
		return "TLS: the certificate is signed by no authority that is trusted"
	case WrongName:
		return "TLS: the certificate is for other host names"
	case OutOfDate:
		return "TLS: the certificate has expired, or is not valid yet"
	case NoTLS:
		return "TLS: no TLS is spoken there"
	case RefusedTLS:
		return "TLS: the other side refused the handshake"
	default:
		return err.Error()
	}
}
