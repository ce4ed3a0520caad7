package demo

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// taken is an address that somebody listens on.
func taken(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestPortsThatAreTakenAreReplaced(t *testing.T) {
	at := addresses{kafka: taken(t), gateway: taken(t), ops: taken(t)}
	s, err := setUp(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if got := (addresses{s.kafka.Addrs()[0], s.addr, s.ops.Addr().String()}); got.kafka == at.kafka || got.gateway == at.gateway || got.ops == at.ops {
		t.Errorf("it listens on %+v, and %+v are taken", got, at)
	}
	c, err := s.configuration()
	if err != nil || c.Ops.Listen != s.ops.Addr().String() {
		t.Errorf("ops.listen is %v, %v; want %s", c, err, s.ops.Addr())
	}
}

// stopAt is an output that calls stop when it holds a text.
type stopAt struct {
	text string
	stop func()

	mu sync.Mutex
	b  bytes.Buffer
}

func (w *stopAt) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b.Write(p)
	if strings.Contains(w.b.String(), w.text) {
		w.stop()
	}
	return len(p), nil
}

func TestTheBannerComesFirst(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &stopAt{text: "worker: ready", stop: stop}
	if err := Run(ctx, Options{Rate: 1, Out: out}); err != nil {
		t.Fatal(err)
	}
	if text := out.b.String(); !strings.HasPrefix(text, "TOP Relay demo.") || !strings.Contains(text, "worker: ops listener") {
		t.Errorf("it prints\n%s", text)
	}
}
