package dedup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
)

// kind is a store that the conformance suite runs on.
type kind struct {
	name string
	// open makes an empty store whose time is that of c; nil is the real time.
	open func(t testing.TB, c *clock, o Options) store
}

// stores are all of them. A new store is one more line.
var stores = []kind{
	{"memory", func(t testing.TB, c *clock, o Options) store {
		o.Now = c.source()
		m := NewMemory(o)
		t.Cleanup(func() { must(t, m.Close()) })
		return m
	}},
	{"sqlite", func(t testing.TB, c *clock, o Options) store {
		o.Now = c.source()
		return openAt(t, ledgerPath(t), o)
	}},
	{"redis", func(t testing.TB, c *clock, o Options) store { return openRedis(t, newFakeRedis(t, c), c, o) }},
}

// conformance are the rules of a ledger. Each test gets a store of its own and the clock of it.
var conformance = []struct {
	name string
	run  func(t *testing.T, s store, c *clock)
}{
	{"a new id is the caller's", newIDIsMine},
	{"delivered is remembered with its reply", deliveredIsRemembered},
	{"content of the same version conflicts", contentConflicts},
	{"unknown is remembered with its history", unknownIsRemembered},
	{"an unknown id is claimed again where its call may be repeated", unknownIsClaimedAgain},
	{"failed keeps the history", failedKeepsHistory},
	{"every field of a history is kept", everyFieldOfHistoryIsKept},
	{"release costs nothing", releaseCostsNothing},
	{"forget lets another content use the id", forgetFreesTheID},
	{"a held claim is busy until its deadline", heldIsBusy},
	{"after the deadline another takes over", takenOver},
	{"after the deadline nobody took over", lateButNotTakenOver},
	{"not repeatable and no result is abandoned", abandoned},
	{"abandoned ends with a result", abandonedEnds},
	{"parts of a key are kept apart", keysAreApart},
	{"a reply is kept up to 4 KiB", replyIsBounded},
	{"a lease must be sane", leaseMustBeSane},
	{"a cancelled caller leaves no claim", cancelledLeavesNothing},
	{"one of many callers gets the claim", oneOfMany},
	{"waiters of a lookup get its answer", waitersShareTheLookup},
	{"a token is never given twice", tokensDiffer},
	{"a token is good for one end", tokenEndsOnce},
	{"retention deletes what is old", retentionDeletes},
	{"states are kept by name", statesAreKept},
	{"a closed store refuses everything", closedRefuses},
}

func TestConformance(t *testing.T) {
	for _, st := range stores {
		for _, test := range conformance {
			t.Run(st.name+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				c := newClock()
				test.run(t, st.open(t, c, Options{Retention: 24 * time.Hour}), c)
			})
		}
	}
}

func newIDIsMine(t *testing.T, s store, _ *clock) {
	for _, r := range []consumer.ClaimRequest{repeatable("a"), once("b")} {
		c := mustClaim(t, s, r, consumer.AnswerMine)
		if c.History != (retry.History{}) || c.Conflict || c.Reply != nil || !c.BusyUntil.IsZero() {
			t.Errorf("a new id came with %+v", c)
		}
	}
	must(t, s.Healthy())
}

func deliveredIsRemembered(t *testing.T, s store, c *clock) {
	for i, r := range []consumer.ClaimRequest{repeatable("a"), once("b")} {
		reply := fmt.Appendf(nil, "\x01\x00\n\xff{\"service_order_id\":%d}", i) // any bytes
		claim := mustClaim(t, s, r, consumer.AnswerMine)
		must(t, s.Delivered(t.Context(), r.Key, claim.Token, r.Content, reply))
		c.advance(2 * lease)
		again := mustClaim(t, s, r, consumer.AnswerDelivered)
		if !bytes.Equal(again.Reply, reply) || again.Conflict {
			t.Errorf("delivered came back as %+v", again)
		}
	}
}

func contentConflicts(t *testing.T, s store, _ *clock) {
	c := mustClaim(t, s, repeatable("delivered"), consumer.AnswerMine)
	must(t, s.Delivered(t.Context(), idOf("delivered"), c.Token, contentNo(1), nil))
	c = mustClaim(t, s, once("unknown"), consumer.AnswerMine)
	must(t, s.Unknown(t.Context(), idOf("unknown"), c.Token, contentNo(1), retry.History{}))

	otherVersion := contentNo(2)
	otherVersion.Version = 2
	for id, answer := range map[string]consumer.Answer{"delivered": consumer.AnswerDelivered, "unknown": consumer.AnswerUnknown} {
		for _, test := range []struct {
			name     string
			content  consumer.Content
			conflict bool
		}{
			{"the same", contentNo(1), false},
			{"another", contentNo(2), true},
			{"another of another version", otherVersion, false},
		} {
			r := once(id)
			r.Content = test.content
			if c := mustClaim(t, s, r, answer); c.Conflict != test.conflict {
				t.Errorf("%s, %s content: conflict %v, want %v", id, test.name, c.Conflict, test.conflict)
			}
		}
	}
	// What was only claimed or failed is nobody's content yet.
	c = mustClaim(t, s, repeatable("failed"), consumer.AnswerMine)
	must(t, s.Failed(t.Context(), idOf("failed"), c.Token, someHistory(1)))
	r := repeatable("failed")
	r.Content = contentNo(2)
	if c := mustClaim(t, s, r, consumer.AnswerMine); c.Conflict {
		t.Error("a failed id conflicts with its corrected content")
	}
}

func unknownIsRemembered(t *testing.T, s store, c *clock) {
	claim := mustClaim(t, s, once("a"), consumer.AnswerMine)
	must(t, s.Unknown(t.Context(), idOf("a"), claim.Token, contentNo(1), someHistory(3)))
	c.advance(2 * lease)
	if again := mustClaim(t, s, once("a"), consumer.AnswerUnknown); again.History != someHistory(3) || again.Reply != nil {
		t.Errorf("unknown came back as %+v", again)
	}
}

// A call that may be repeated is: its unknown id can be claimed by its own content, and stays unknown until a result.
func unknownIsClaimedAgain(t *testing.T, s store, c *clock) {
	claim := mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
	must(t, s.Unknown(t.Context(), idOf("a"), claim.Token, contentNo(1), someHistory(3)))
	other := repeatable("a")
	other.Content = contentNo(2)
	conflicts := func(when string) {
		t.Helper()
		if got := mustClaim(t, s, other, consumer.AnswerUnknown); !got.Conflict {
			t.Errorf("another content %s: %+v", when, got)
		}
	}
	again := func(history retry.History) consumer.Claim {
		t.Helper()
		got := mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
		if got.History != history {
			t.Errorf("history %+v, want %+v", got.History, history)
		}
		return got
	}
	conflicts("at first")
	claim = again(someHistory(3))
	mustClaim(t, s, repeatable("a"), consumer.AnswerBusy)
	must(t, s.Release(t.Context(), idOf("a"), claim.Token))
	conflicts("after a release")
	claim = again(someHistory(3))
	must(t, s.Failed(t.Context(), idOf("a"), claim.Token, someHistory(4)))
	conflicts("after a failure")
	again(someHistory(4))
	c.advance(lease)
	conflicts("after a claim that ran out")
	claim = again(someHistory(4))
	must(t, s.Delivered(t.Context(), idOf("a"), claim.Token, contentNo(1), nil))
	mustClaim(t, s, repeatable("a"), consumer.AnswerDelivered)
}

func failedKeepsHistory(t *testing.T, s store, _ *clock) {
	for _, r := range []consumer.ClaimRequest{repeatable("a"), once("b")} {
		for attempt := range 3 {
			want := retry.History{}
			if attempt > 0 {
				want = someHistory(attempt)
			}
			c := mustClaim(t, s, r, consumer.AnswerMine)
			if c.History != want {
				t.Errorf("%s: claim %d came with history %+v, want %+v", r.Key.ID, attempt, c.History, want)
			}
			must(t, s.Failed(t.Context(), r.Key, c.Token, someHistory(attempt+1)))
		}
	}
}

// everyFieldOfHistoryIsKept sees to it that a field that retry.History gains is stored as well.
func everyFieldOfHistoryIsKept(t *testing.T, s store, _ *clock) {
	h := someHistory(4)
	for i, v := 0, reflect.ValueOf(h); i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Fatalf("someHistory leaves %s zero: set it, so that this test speaks of it", v.Type().Field(i).Name)
		}
	}
	local := h
	local.FirstFailedAt = h.FirstFailedAt.In(time.FixedZone("CST", 8*3600))
	c := mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
	must(t, s.Failed(t.Context(), idOf("a"), c.Token, local))
	if c := mustClaim(t, s, repeatable("a"), consumer.AnswerMine); c.History != h {
		t.Errorf("history came back as %+v, want %+v", c.History, h)
	}
}

func releaseCostsNothing(t *testing.T, s store, _ *clock) {
	for _, r := range []consumer.ClaimRequest{repeatable("a"), once("b")} {
		c := mustClaim(t, s, r, consumer.AnswerMine)
		must(t, s.Release(t.Context(), r.Key, c.Token))
		c = mustClaim(t, s, r, consumer.AnswerMine)
		if c.History != (retry.History{}) {
			t.Errorf("%s: a release left history %+v", r.Key.ID, c.History)
		}
		must(t, s.Failed(t.Context(), r.Key, c.Token, someHistory(2)))
		c = mustClaim(t, s, r, consumer.AnswerMine)
		must(t, s.Release(t.Context(), r.Key, c.Token))
		if c = mustClaim(t, s, r, consumer.AnswerMine); c.History != someHistory(2) {
			t.Errorf("%s: a release changed the history to %+v", r.Key.ID, c.History)
		}
	}
}

func forgetFreesTheID(t *testing.T, s store, _ *clock) {
	for _, r := range []consumer.ClaimRequest{repeatable("a"), once("b")} {
		c := mustClaim(t, s, r, consumer.AnswerMine)
		must(t, s.Forget(t.Context(), r.Key, c.Token)) // without a row, or with the claim only
		c = mustClaim(t, s, r, consumer.AnswerMine)
		must(t, s.Failed(t.Context(), r.Key, c.Token, someHistory(2)))
		c = mustClaim(t, s, r, consumer.AnswerMine)
		must(t, s.Forget(t.Context(), r.Key, c.Token))
		if c = mustClaim(t, s, r, consumer.AnswerMine); c.History != (retry.History{}) {
			t.Errorf("%s: forgotten, and yet there is %+v", r.Key.ID, c.History)
		}
	}
}

func keysAreApart(t *testing.T, s store, _ *clock) {
	for _, k := range []consumer.LedgerKey{
		{Method: "ab", Account: "c", ID: "d"}, {Method: "a", Account: "bc", ID: "d"}, {Method: "ab", Account: "", ID: "cd"},
		{Method: "abc", Account: "", ID: "d"}, {Method: "ab", Account: "c", ID: ""}, {Method: "1:a", Account: "b", ID: "d"},
		{Method: "ab", Account: "c", ID: "D"}, {Method: "ab", Account: "c", ID: "d "}, {},
		{Method: "ab", Account: "c", ID: strings.Repeat("d", 10_000)}, {Method: "ab", Account: "c", ID: strings.Repeat("d", 10_001)},
	} {
		r := repeatable("")
		r.Key = k
		c := mustClaim(t, s, r, consumer.AnswerMine)
		must(t, s.Delivered(t.Context(), k, c.Token, r.Content, nil))
	}
}

func replyIsBounded(t *testing.T, s store, _ *clock) {
	for _, test := range []struct {
		size int
		kept bool
	}{{0, false}, {2, true}, {maxReply, true}, {maxReply + 1, false}} {
		id := fmt.Sprint(test.size)
		reply := bytes.Repeat([]byte("x"), test.size)
		c := mustClaim(t, s, repeatable(id), consumer.AnswerMine)
		must(t, s.Delivered(t.Context(), idOf(id), c.Token, contentNo(1), reply))
		want := bytes.Clone(reply)
		clear(reply) // the ledger has its own copy
		if got := mustClaim(t, s, repeatable(id), consumer.AnswerDelivered).Reply; test.kept != (got != nil) || (test.kept && !bytes.Equal(got, want)) {
			t.Errorf("a reply of %d bytes came back with %d", test.size, len(got))
		}
	}
}

func leaseMustBeSane(t *testing.T, s store, _ *clock) {
	for _, lease := range []time.Duration{0, -time.Second, maxLease + 1} {
		r := repeatable("a")
		r.Lease = lease
		if c, err := s.Claim(t.Context(), r); err == nil {
			t.Errorf("a lease of %v was given: %+v", lease, c)
		}
	}
	mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
}

func cancelledLeavesNothing(t *testing.T, s store, _ *clock) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, r := range []consumer.ClaimRequest{repeatable("a"), once("b")} {
		if c, err := s.Claim(ctx, r); !errors.Is(err, context.Canceled) {
			t.Errorf("Claim with a cancelled context: %+v, %v", c, err)
		}
		c := mustClaim(t, s, r, consumer.AnswerMine)
		for name, err := range everyEnd(ctx, s, r.Key, c.Token) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s with a cancelled context: %v", name, err)
			}
		}
		must(t, s.Delivered(t.Context(), r.Key, c.Token, r.Content, nil))
	}
}

func retentionDeletes(t *testing.T, s store, c *clock) {
	leave := func(suffix string) {
		deliver(t, s, "delivered"+suffix)
		claim := mustClaim(t, s, once("unknown"+suffix), consumer.AnswerMine)
		must(t, s.Unknown(t.Context(), idOf("unknown"+suffix), claim.Token, contentNo(1), retry.History{}))
		claim = mustClaim(t, s, repeatable("failed"+suffix), consumer.AnswerMine)
		must(t, s.Failed(t.Context(), idOf("failed"+suffix), claim.Token, someHistory(1)))
		mustClaim(t, s, once("claimed"+suffix), consumer.AnswerMine)
	}
	leave(" old")
	c.advance(lease)
	claim := mustClaim(t, s, once("claimed old"), consumer.AnswerAbandoned)
	must(t, s.Release(t.Context(), idOf("claimed old"), claim.Token)) // nobody is on it, and only its row says so
	c.advance(23 * time.Hour)
	leave(" new")
	must(t, s.sweep(t.Context()))
	mustClaim(t, s, repeatable("delivered old"), consumer.AnswerDelivered) // 23 h are not 24 h
	c.advance(time.Hour + time.Second)
	must(t, s.sweep(t.Context()))

	mustClaim(t, s, repeatable("delivered old"), consumer.AnswerMine)
	mustClaim(t, s, repeatable("unknown old"), consumer.AnswerMine)
	if claim := mustClaim(t, s, repeatable("failed old"), consumer.AnswerMine); claim.History != (retry.History{}) {
		t.Errorf("the old history is still there: %+v", claim.History)
	}
	mustClaim(t, s, repeatable("delivered new"), consumer.AnswerDelivered)
	mustClaim(t, s, once("unknown new"), consumer.AnswerUnknown)
	if claim := mustClaim(t, s, repeatable("failed new"), consumer.AnswerMine); claim.History != someHistory(1) {
		t.Errorf("the new history is gone: %+v", claim.History)
	}
	// A claim without a result is never too old: only a result ends it.
	mustClaim(t, s, once("claimed old"), consumer.AnswerAbandoned)
}

func statesAreKept(t *testing.T, s store, _ *clock) {
	if v, ok, err := s.GetState(t.Context(), "bans"); v != nil || ok || err != nil {
		t.Fatalf("a state nobody put: %q, %v, %v", v, ok, err)
	}
	must(t, s.DeleteState(t.Context(), "bans"))
	for _, value := range [][]byte{[]byte(`[{"scope":"a"}]`), {}, nil, []byte("\x00\xff")} {
		must(t, s.PutState(t.Context(), "bans", value))
		v, ok, err := s.GetState(t.Context(), "bans")
		if !bytes.Equal(v, value) || !ok || err != nil {
			t.Errorf("put %q, got %q, %v, %v", value, v, ok, err)
		}
	}
	must(t, s.PutState(t.Context(), "rates", []byte("2")))
	must(t, s.DeleteState(t.Context(), "bans"))
	if _, ok, err := s.GetState(t.Context(), "bans"); ok || err != nil {
		t.Errorf("a deleted state: %v, %v", ok, err)
	}
	if v, ok, err := s.GetState(t.Context(), "rates"); string(v) != "2" || !ok || err != nil {
		t.Errorf("another state: %q, %v, %v", v, ok, err)
	}
}

func closedRefuses(t *testing.T, s store, _ *clock) {
	c := mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
	must(t, s.Close())
	must(t, s.Close()) // again is nothing
	all := everyEnd(t.Context(), s, idOf("a"), c.Token)
	_, all["Claim"] = s.Claim(t.Context(), repeatable("b"))
	_, _, all["GetState"] = s.GetState(t.Context(), "x")
	all["PutState"] = s.PutState(t.Context(), "x", nil)
	all["DeleteState"] = s.DeleteState(t.Context(), "x")
	all["Healthy"] = s.Healthy()
	for name, err := range all {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", name, err)
		}
	}
}
