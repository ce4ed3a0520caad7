package dedup

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/toprelay/worker/internal/consumer"
)

// What happens where the network loses an answer, or brings a request late.

// wiredRedis is a server, a wire to it, and a store at its end that waits 200 ms.
func wiredRedis(t *testing.T) (*miniredis.Miniredis, *wire, *Redis) {
	m := miniredis.RunT(t)
	w := newWire(t, m.Addr())
	at := w.options()
	at.Timeout = 200 * time.Millisecond
	s := openRedis(t, at, nil, Options{})
	// A connection for everybody, so that a call that is made now goes out on one.
	must(t, callers(16, 64, func(i int) error {
		_, err := s.Claim(t.Context(), repeatable(fmt.Sprint("warm ", i)))
		return err
	}))
	return m, w, s
}

// neighbour is another worker with the same server, which the wire does not touch.
func neighbour(t *testing.T, m *miniredis.Miniredis) *Redis {
	return openRedis(t, RedisOptions{Addresses: []string{m.Addr()}}, nil, Options{})
}

// eventually claims until the answer is want: something goes on by itself until then.
func eventually(t *testing.T, s consumer.Ledger, r consumer.ClaimRequest, want consumer.Answer) consumer.Claim {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for bound := time.After(20 * time.Second); ; {
		c, err := s.Claim(t.Context(), r)
		if err == nil && c.Answer == want {
			return c
		}
		select {
		case <-tick.C:
		case <-bound:
			t.Fatalf("Claim(%s): %s, %v; want %s", r.Key.ID, answerName(c.Answer), err, answerName(want))
		}
	}
}

func troubleOf(err error) RedisTrouble {
	var e *RedisError
	if errors.As(err, &e) {
		return e.Trouble
	}
	return ""
}

// TestLostClaimIsGivenBack: the server made a claim and its answer did not come. Nobody holds it, and it must not look like a
// call that was cut off: for a call that must not be repeated that would be a dead letter for nothing.
func TestLostClaimIsGivenBack(t *testing.T) {
	for name, r := range map[string]consumer.ClaimRequest{"repeatable": repeatable("a"), "once": once("a")} {
		t.Run(name, func(t *testing.T) {
			m, w, s := wiredRedis(t)
			other := neighbour(t, m)
			w.keepAnswers()
			if _, err := s.Claim(t.Context(), r); troubleOf(err) != RedisSlow {
				t.Fatalf("Claim without an answer: %v", err)
			}
			if !m.Exists(redisKey(defaultRedisPrefix, keyOf(r.Key))) {
				t.Fatal("the server made no claim")
			}
			mustClaim(t, other, r, consumer.AnswerBusy)
			w.passAnswers()
			c := eventually(t, other, r, consumer.AnswerMine)
			if c.History.Attempts != 0 || c.History.Ambiguous {
				t.Errorf("a claim that nobody had left %+v", c.History)
			}
		})
	}
}

// TestCancelledClaimOnItsWay: the same where the caller goes away before the answer.
func TestCancelledClaimOnItsWay(t *testing.T) {
	m, w, s := wiredRedis(t)
	other := neighbour(t, m)
	w.keepAnswers()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := s.Claim(ctx, once("a"))
		failed <- err
	}()
	for !m.Exists(redisKey(defaultRedisPrefix, keyOf(idOf("a")))) {
		runtime.Gosched()
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Fatalf("Claim: %v, want context.Canceled", err)
	}
	w.passAnswers()
	eventually(t, other, once("a"), consumer.AnswerMine)
}

// TestLateClaimIsRefused: a request that reaches the server after its caller has gone makes no claim, although what gives it
// back may have come before it.
func TestLateClaimIsRefused(t *testing.T) {
	m, w, s := wiredRedis(t)
	other := neighbour(t, m)
	deliver(t, s, "b") // tells the server's time
	w.keepRequests()
	if _, err := s.Claim(t.Context(), once("a")); troubleOf(err) != RedisSlow {
		t.Fatalf("Claim without an answer: %v", err)
	}
	w.passRequests()
	eventually(t, s, repeatable("b"), consumer.AnswerDelivered)
	mustClaim(t, other, once("a"), consumer.AnswerMine)
}

// TestClaimsHaveABound: it is what refuses them, whatever the order is in which connections are served.
func TestClaimsHaveABound(t *testing.T) {
	m := miniredis.RunT(t)
	s := openRedis(t, RedisOptions{Addresses: []string{m.Addr()}}, nil, Options{})
	var op *rop
	claim := func(left time.Duration) string {
		op = s.newOp(s.scripts.claim, idOf("a"), s.tokens.Add(1), "0", lease.Microseconds(), holdsOnce, noContent, "x")
		op.before, op.limit = 4, time.Now().Add(left)
		s.bound(op)
		reply, err := s.run(t.Context(), op.script, op.key, op.args...)
		must(t, err)
		_, word, _, err := parseClaim(reply, content{})
		must(t, err)
		return word
	}
	if word := claim(-time.Second); word != "late" || m.Exists(op.key) {
		t.Errorf("a claim of a caller that has gone was answered %q", word)
	}
	if word := claim(time.Minute); word != "mine" {
		t.Errorf("a claim of a caller that waits was answered %q", word)
	}
}

// TestSameClaimTwice: the client of a Cluster may send a request again whose answer was lost; it is the same claim.
func TestSameClaimTwice(t *testing.T) {
	c := newClock()
	s := openRedis(t, newFakeRedis(t, c), c, Options{})
	claim := func(token uint64, want string) {
		t.Helper()
		op := s.newOp(s.scripts.claim, idOf("a"), token, "0", lease.Microseconds(), holdsOnce, noContent, "x")
		for range 2 {
			reply, err := s.run(t.Context(), op.script, op.key, op.args...)
			must(t, err)
			if word, _, _ := answerHead(reply); word != want {
				t.Errorf("the claim with token %d was answered %q, want %q", token, word, want)
			}
		}
	}
	claim(1, "mine")
	claim(2, "busy")
	c.advance(lease)
	claim(3, "abandoned")
}

// TestLostResultIsToldAgain: the server took a result and its answer did not come. The same once more succeeds, another does not.
func TestLostResultIsToldAgain(t *testing.T) {
	_, w, s := wiredRedis(t)
	c := mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
	tell := func() error { return s.Delivered(t.Context(), idOf("a"), c.Token, contentNo(1), []byte(`{"a":1}`)) }
	w.keepAnswers()
	if err := tell(); troubleOf(err) != RedisSlow {
		t.Fatalf("Delivered without an answer: %v", err)
	}
	w.passAnswers()
	for err := tell(); err != nil; err = tell() {
		if errors.Is(err, consumer.ErrClaimLost) {
			t.Fatalf("the same result once more: %v", err)
		}
	}
	if err := s.Release(t.Context(), idOf("a"), c.Token); !errors.Is(err, consumer.ErrClaimLost) {
		t.Errorf("another end: %v, want ErrClaimLost", err)
	}
	if d := mustClaim(t, s, repeatable("a"), consumer.AnswerDelivered); string(d.Reply) != `{"a":1}` {
		t.Errorf("delivered came back as %+v", d)
	}
}

// TestServerClockThatWasSet: a clock that jumps does not stop the claims, whatever its direction.
func TestServerClockThatWasSet(t *testing.T) {
	m := miniredis.RunT(t)
	at := time.Now()
	m.SetTime(at)
	s := openRedis(t, RedisOptions{Addresses: []string{m.Addr()}}, nil, Options{})
	for i, jump := range []time.Duration{0, time.Hour, -24 * time.Hour, 365 * 24 * time.Hour} {
		at = at.Add(jump)
		m.SetTime(at)
		deliver(t, s, string(rune('a'+i)))
	}
}
