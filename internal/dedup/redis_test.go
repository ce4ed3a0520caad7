package dedup

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
)

// TestAnotherWorkerTakesOverAtTheDeadline: not before, and the attempt that was cut off counts.
func TestAnotherWorkerTakesOverAtTheDeadline(t *testing.T) {
	c := newClock()
	at := newFakeRedis(t, c)
	first, second := openRedis(t, at, c, Options{}), openRedis(t, at, c, Options{})

	mustClaim(t, first, repeatable("new"), consumer.AnswerMine)
	claim := mustClaim(t, first, repeatable("failed"), consumer.AnswerMine)
	plain := retry.History{Attempts: 2, FirstFailedAt: c.Now().Add(-time.Hour)}
	must(t, first.Failed(t.Context(), idOf("failed"), claim.Token, plain))
	held := mustClaim(t, first, repeatable("failed"), consumer.AnswerMine)
	mustClaim(t, first, once("once"), consumer.AnswerMine)
	for _, r := range []consumer.ClaimRequest{repeatable("new"), repeatable("failed"), once("once")} {
		if busy := mustClaim(t, second, r, consumer.AnswerBusy); !busy.BusyUntil.Equal(c.Now().Add(lease)) {
			t.Errorf("busy until %v", busy.BusyUntil)
		}
	}
	must(t, first.Close()) // as a crash would: the claims stay
	mustClaim(t, second, repeatable("new"), consumer.AnswerBusy)
	c.advance(lease)

	got := mustClaim(t, second, repeatable("new"), consumer.AnswerMine)
	if want := (retry.History{Attempts: 1, Ambiguous: true, FirstFailedAt: c.Now()}); got.History != want {
		t.Errorf("history %+v, want %+v", got.History, want)
	}
	must(t, second.Release(t.Context(), idOf("new"), got.Token)) // the doubt is not given back
	if again := mustClaim(t, second, repeatable("new"), consumer.AnswerMine); again.History != got.History {
		t.Errorf("after a release %+v, want %+v", again.History, got.History)
	}
	want := plain
	want.Attempts, want.Ambiguous = 3, true
	if got := mustClaim(t, second, repeatable("failed"), consumer.AnswerMine); got.History != want {
		t.Errorf("history %+v, want %+v", got.History, want)
	}
	if err := second.Delivered(t.Context(), idOf("failed"), held.Token, contentNo(1), nil); !errors.Is(err, consumer.ErrClaimLost) {
		t.Errorf("with the token of a process that is gone: %v, want ErrClaimLost", err)
	}
	mustClaim(t, second, once("once"), consumer.AnswerAbandoned)
}

// TestEveryTransitionWithoutItsScript: a server that was restarted, or told to forget its scripts, gets them again.
func TestEveryTransitionWithoutItsScript(t *testing.T) {
	m := miniredis.RunT(t)
	s := openRedis(t, RedisOptions{Addresses: []string{m.Addr()}}, nil, Options{})
	forget := func() { must(t, s.server().ScriptFlush(t.Context()).Err()) }
	claim := func(id string) consumer.Claim {
		forget()
		c := mustClaim(t, s, repeatable(id), consumer.AnswerMine)
		forget()
		return c
	}
	must(t, s.Delivered(t.Context(), idOf("a"), claim("a").Token, contentNo(1), nil))
	must(t, s.Unknown(t.Context(), idOf("b"), claim("b").Token, contentNo(1), someHistory(1)))
	must(t, s.Failed(t.Context(), idOf("c"), claim("c").Token, someHistory(1)))
	must(t, s.Release(t.Context(), idOf("d"), claim("d").Token))
	must(t, s.Forget(t.Context(), idOf("e"), claim("e").Token))
}

// TestUnreadableRow: what this version did not write is never taken for nothing.
func TestUnreadableRow(t *testing.T) {
	m := miniredis.RunT(t)
	s := openRedis(t, RedisOptions{Addresses: []string{m.Addr()}}, nil, Options{})
	key := redisKey(defaultRedisPrefix, keyOf(idOf("a")))
	for _, v := range []string{"", "2 3 d 0 0 0 0 0 -\n\n\n", "1 7 d 0 0 0 0 0 -\n\n\n", "1 3 d 0 0 0 0 0 -\n", "1 3 d 0 0 0 0 0 zz\n\n\n"} {
		must(t, m.Set(key, v))
		if c, err := s.Claim(t.Context(), repeatable("a")); err == nil {
			t.Errorf("row %q was answered %s", v, answerName(c.Answer))
		}
		for name, err := range everyEnd(t.Context(), s, idOf("a"), 1) {
			if err == nil {
				t.Errorf("%s of row %q: no error", name, v)
			}
		}
	}
	mustClaim(t, s, repeatable("b"), consumer.AnswerMine)
}

// TestNothingStartsBeforeStart: until then every call fails, and Close is enough.
func TestNothingStartsBeforeStart(t *testing.T) {
	s, err := NewRedis(Options{Redis: RedisOptions{Addresses: []string{"127.0.0.1:1"}}})
	must(t, err)
	if _, err := s.Claim(t.Context(), repeatable("a")); !errors.Is(err, errNotStarted) {
		t.Errorf("Claim: %v", err)
	}
	if err := s.Healthy(); !errors.Is(err, errNotStarted) {
		t.Errorf("Healthy: %v", err)
	}
	if err := s.Start(t.Context()); troubleOf(err) != RedisDown {
		t.Errorf("Start: %v, want RedisDown", err)
	}
	must(t, s.Close())
	if err := s.Healthy(); !errors.Is(err, ErrClosed) {
		t.Errorf("Healthy after Close: %v", err)
	}
}

func TestRedisOptionsAreChecked(t *testing.T) {
	two := []string{"a:1", "b:1"}
	for _, test := range []struct {
		name string
		o    RedisOptions
		ok   bool
	}{
		{"one server", RedisOptions{Addresses: two[:1], DB: 3, WaitReplicas: 1}, true},
		{"sentinels", RedisOptions{Addresses: two, SentinelMaster: "m", DB: 3, WaitReplicas: 1}, true},
		{"a Cluster", RedisOptions{Addresses: two}, true},
		{"nothing", RedisOptions{}, false},
		{"a Cluster with a database", RedisOptions{Addresses: two, DB: 1}, false},
		{"a Cluster that waits", RedisOptions{Addresses: two, WaitReplicas: 1}, false},
		{"negative", RedisOptions{Addresses: two[:1], WaitReplicas: -1}, false},
		{"negative", RedisOptions{Addresses: two[:1], Timeout: -1}, false},
	} {
		if _, err := test.o.withDefaults(); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// TestEmptiedStore: a worker that sees its epoch gone says so, and what must not be repeated waits for an operator.
func TestEmptiedStore(t *testing.T) {
	m := miniredis.RunT(t)
	at := RedisOptions{Addresses: []string{m.Addr()}}
	var log safeBuffer
	s := openRedis(t, at, nil, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	other := openRedis(t, at, nil, Options{})
	deliver(t, s, "a")
	mustClaim(t, s, once("kept"), consumer.AnswerMine)
	m.FlushAll()

	// The first claim after it already knows, before anybody has looked.
	if c, err := s.Claim(t.Context(), once("b")); !errors.Is(err, consumer.ErrClaimRefused) {
		t.Fatalf("a claim in an emptied store: %s, %v", answerName(c.Answer), err)
	}
	must(t, s.lookAtEpoch(t.Context()))
	must(t, other.lookAtEpoch(t.Context()))
	late := openRedis(t, at, nil, Options{}) // a worker that starts now must learn it too
	for name, s := range map[string]*Redis{"one": s, "other": other, "late": late} {
		if _, err := s.Claim(t.Context(), once("b")); !errors.Is(err, consumer.ErrClaimRefused) {
			t.Errorf("%s: %v, want ErrClaimRefused", name, err)
		}
		mustClaim(t, s, repeatable("repeatable "+name), consumer.AnswerMine)
		must(t, s.Healthy()) // it is a pause, no fault
	}
	for s, want := range map[*Redis]float64{s: 1, other: 1, late: 0} {
		if got := testutil.ToFloat64(s.resets); got != want {
			t.Errorf("%v resets were counted, want %v", got, want)
		}
	}
	if text := log.String(); strings.Count(text, "lost the ledger") != 1 || !strings.Contains(text, "accept-reset") {
		t.Errorf("the log says %s", text)
	}

	if was, err := late.AcceptReset(t.Context()); !was || err != nil {
		t.Errorf("AcceptReset: %v, %v", was, err)
	}
	if was, err := late.AcceptReset(t.Context()); was || err != nil {
		t.Errorf("AcceptReset of nothing: %v, %v", was, err)
	}
	for i, s := range []*Redis{s, other, late} {
		must(t, s.lookAtEpoch(t.Context()))
		mustClaim(t, s, once(fmt.Sprint("c", i)), consumer.AnswerMine)
	}
	if got := testutil.ToFloat64(s.resets); got != 1 {
		t.Errorf("%v resets were counted after it was accepted", got)
	}
}

// TestEmptiedAndStartedAnew: another worker that started first has written an epoch in good faith.
func TestEmptiedAndStartedAnew(t *testing.T) {
	m := miniredis.RunT(t)
	at := RedisOptions{Addresses: []string{m.Addr()}}
	s := openRedis(t, at, nil, Options{})
	must(t, m.Set(s.epochKey(), "00000000000000aa "+epochFirst)) // in one step, so that the watch of s cannot come between
	late := openRedis(t, at, nil, Options{})
	must(t, s.lookAtEpoch(t.Context()))
	if !s.epoch.paused() {
		t.Error("the worker that knows better goes on")
	}
	must(t, late.lookAtEpoch(t.Context()))
	if _, err := late.Claim(t.Context(), once("a")); !errors.Is(err, consumer.ErrClaimRefused) {
		t.Errorf("the worker that started after it: %v, want ErrClaimRefused", err)
	}
}

// TestClaimsAreGivenBackInAnEmptiedStore: what was claimed before it was seen is not left behind.
func TestClaimsAreGivenBackInAnEmptiedStore(t *testing.T) {
	m := miniredis.RunT(t)
	s := openRedis(t, RedisOptions{Addresses: []string{m.Addr()}}, nil, Options{})
	m.FlushAll()
	if _, err := s.Claim(t.Context(), once("a")); !errors.Is(err, consumer.ErrClaimRefused) {
		t.Fatal(err)
	}
	if _, err := s.AcceptReset(t.Context()); err != nil {
		t.Fatal(err)
	}
	for s.epoch.paused() || s.epoch.id() == "" {
		must(t, s.lookAtEpoch(t.Context()))
		_, err := s.AcceptReset(t.Context())
		must(t, err)
	}
	eventually(t, s, once("a"), consumer.AnswerMine)
}

// safeBuffer is a log that is written and read at once.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
