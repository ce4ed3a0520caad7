package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// SASL is how the client proves who it is.
type SASL struct {
	Mechanism string // "plain", "scram-sha-256" or "scram-sha-512", in any case
	Username  string
	Password  func() string // asked at each new connection, so that a changed password is used from then on
}

// errUnfitPassword is an error of the configuration that shows only at a login.
var errUnfitPassword = errors.New("the SASL user name or password holds characters that SCRAM does not allow")

// mechanism asks for the password at each authentication; kafka-go's own mechanisms keep the first one.
type mechanism struct {
	name  string
	start func(ctx context.Context) (sasl.StateMachine, []byte, error)
}

func newMechanism(s *SASL) (*mechanism, error) {
	if s == nil {
		return nil, nil
	}
	if s.Username == "" || s.Password == nil {
		return nil, errors.New("kafka: SASL needs a user name and a password")
	}
	switch strings.ToLower(s.Mechanism) {
	case "plain":
		return &mechanism{name: "PLAIN", start: func(ctx context.Context) (sasl.StateMachine, []byte, error) {
			return plain.Mechanism{Username: s.Username, Password: s.Password()}.Start(ctx)
		}}, nil
	case "scram-sha-256":
		return scramMechanism(s, scram.SHA256), nil
	case "scram-sha-512":
		return scramMechanism(s, scram.SHA512), nil
	default:
		return nil, fmt.Errorf("kafka: unknown SASL mechanism %q: use plain, scram-sha-256 or scram-sha-512", s.Mechanism)
	}
}

func scramMechanism(s *SASL, algorithm scram.Algorithm) *mechanism {
	return &mechanism{name: algorithm.Name(), start: func(ctx context.Context) (sasl.StateMachine, []byte, error) {
		m, err := scram.Mechanism(algorithm, s.Username, s.Password())
		if err != nil {
			// The error of the string preparation could quote a part of the password.
			return nil, nil, errUnfitPassword
		}
		return m.Start(ctx)
	}}
}

func (m *mechanism) Name() string { return m.name }

func (m *mechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	return m.start(ctx)
}
