package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

func TestIsUnreachable(t *testing.T) {
	t.Parallel()
	away := newClientTo(t, "127.0.0.1:1")
	_, away1 := away.Topics(t.Context(), "t")
	away2 := newWriter(t, away).Write(t.Context(), "t", ByKey, event.Record{})
	_, missing := newWriter(t, newClient(t)).Partitions(t.Context(), newName(t))
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"nil":                   {nil, false},
		"topics, refused":       {away1, true},
		"write, refused":        {away2, true},
		"too late":              {fmt.Errorf("wrapped: %w", context.DeadlineExceeded), true},
		"no such host":          {&net.DNSError{Err: "no such host"}, true},
		"missing topic":         {missing, false},
		"a refusal":             {fmt.Errorf("wrapped: %w", kafka.TopicAuthorizationFailed), false},
		"too large":             {ErrTooLarge, false},
		"the caller has enough": {context.Canceled, false},
		"something else":        {errors.New("else"), false},
	} {
		if got := IsUnreachable(test.err); got != test.want {
			t.Errorf("%s: got %v for %v", name, got, test.err)
		}
	}
}

func TestMayPass(t *testing.T) {
	t.Parallel()
	_, away := newClientTo(t, "127.0.0.1:1").Settings(t.Context(), "t")
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"nil":                   {nil, false},
		"away":                  {away, true},
		"too late":              {fmt.Errorf("wrapped: %w", context.DeadlineExceeded), true},
		"no login":              {&AccessError{kind: consumer.ErrRefused, cause: kafka.SASLAuthenticationFailed}, true},
		"never seen":            {kafka.BrokerNotAvailable, true},
		"cannot now":            {fmt.Errorf("wrapped: %w", kafka.RequestTimedOut), true},
		"must not":              {fmt.Errorf("wrapped: %w", kafka.TopicAuthorizationFailed), false},
		"cannot be read":        {errors.New("retention.ms: odd"), false},
		"the caller has enough": {context.Canceled, false},
	} {
		if got := MayPass(test.err); got != test.want {
			t.Errorf("%s: got %v for %v", name, got, test.err)
		}
	}
}
