package dedup

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
)

func TestContentAsText(t *testing.T) {
	for _, c := range []content{{}, contentOf(contentNo(1)), contentOf(consumer.Content{Version: 255, Hash: [32]byte{255, 254, 253}}), contentOf(consumer.Content{})} {
		got, err := parseContent(c.text())
		if err != nil || got != c {
			t.Errorf("%q came back as %+v, %v", c.text(), got, err)
		}
	}
	for _, s := range []string{"", "0", "01", "zz" + strings.Repeat("A", 22), "01" + strings.Repeat("A", 21), "01" + strings.Repeat("A", 23), "01" + strings.Repeat("A", 21) + "B", "01====", "- "} {
		if c, err := parseContent(s); err == nil {
			t.Errorf("%q was read as %+v", s, c)
		}
	}
}

// TestRowsOfTheScripts: what the scripts write is what this side reads, whatever stands in the texts.
func TestRowsOfTheScripts(t *testing.T) {
	c := newClock()
	s := openRedis(t, newFakeRedis(t, c), c, Options{Retention: time.Hour})
	get := func(id string) (storedRow, time.Duration) {
		t.Helper()
		key := redisKey(defaultRedisPrefix, keyOf(idOf(id)))
		v, err := s.server().Get(t.Context(), key).Result()
		must(t, err)
		r, err := parseRow(v)
		must(t, err)
		ttl, err := s.server().PTTL(t.Context(), key).Result()
		must(t, err)
		return r, ttl
	}
	const forever = -1
	check := func(id string, want storedRow, ttl time.Duration) {
		t.Helper()
		want.scopeText = "taobao.test.call default"
		if want.deadline.IsZero() {
			want.deadline = time.UnixMicro(0).UTC()
		}
		if want.cut.at.IsZero() {
			want.cut.at = time.UnixMicro(0).UTC()
		}
		got, left := get(id)
		if !reflect.DeepEqual(got, want) || left != ttl {
			t.Errorf("%s:\n got %+v, for %v\nwant %+v, for %v", id, got, left, want, ttl)
		}
	}
	reply := "{\"a\":\"\n\x00\xff 1 3 d\"}\n"
	claim := mustClaim(t, s, repeatable("delivered"), consumer.AnswerMine)
	check("delivered", storedRow{held: true, deadline: c.Now().Add(lease)}, time.Hour+lease)
	must(t, s.Delivered(t.Context(), idOf("delivered"), claim.Token, contentNo(1), []byte(reply)))
	check("delivered", storedRow{row: row{state: stateDelivered, content: contentOf(contentNo(1)), reply: []byte(reply)}}, time.Hour)
	if got := mustClaim(t, s, repeatable("delivered"), consumer.AnswerDelivered); string(got.Reply) != reply {
		t.Errorf("reply %q", got.Reply)
	}

	claim = mustClaim(t, s, once("once"), consumer.AnswerMine)
	check("once", storedRow{held: true, deadline: c.Now().Add(lease)}, forever)
	must(t, s.Failed(t.Context(), idOf("once"), claim.Token, someHistory(1)))
	check("once", storedRow{row: row{state: stateReleased, history: someHistory(1)}}, time.Hour)
	mustClaim(t, s, once("once"), consumer.AnswerMine)
	c.advance(lease)
	claim = mustClaim(t, s, once("once"), consumer.AnswerAbandoned)
	must(t, s.Release(t.Context(), idOf("once"), claim.Token))
	check("once", storedRow{row: row{state: stateClaimed, history: someHistory(1)}}, forever)
	claim = mustClaim(t, s, once("once"), consumer.AnswerAbandoned)
	must(t, s.Unknown(t.Context(), idOf("once"), claim.Token, contentNo(1), someHistory(2)))
	check("once", storedRow{row: row{state: stateUnknown, content: contentOf(contentNo(1)), history: someHistory(2)}}, time.Hour)
}

func TestScopeIsOneLine(t *testing.T) {
	if got := (scope{"a\nb\x00", "c\r"}).text(); got != "a?b? c?" {
		t.Errorf("%q", got)
	}
}

func TestCutOffIsCounted(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	first := at.Add(-time.Hour)
	for _, test := range []struct {
		cut        cutOff
		have, want retry.History
	}{
		{cutOff{}, retry.History{Attempts: 1}, retry.History{Attempts: 1}},
		{cutOff{1, at}, retry.History{}, retry.History{Attempts: 1, Ambiguous: true, FirstFailedAt: at}},
		{cutOff{2, at}, retry.History{Attempts: 1, FirstFailedAt: first}, retry.History{Attempts: 3, Ambiguous: true, FirstFailedAt: first}},
	} {
		if got := test.cut.counted(test.have); got != test.want {
			t.Errorf("%+v and %+v: %+v, want %+v", test.cut, test.have, got, test.want)
		}
	}
}

// FuzzRow: whatever stands under a key, it is read in full or refused, and never panics.
func FuzzRow(f *testing.F) {
	f.Add("1 3 d 0123456789abcdef 42 0 0 0 01" + strings.Repeat("A", 22) + "\ntaobao.test.call default\n\n{\"a\":1}")
	f.Add("1 0 r ff 42 1772352020000000 1 1772352020000000 -\na b\n{\"attempts\":1}\n")
	f.Add("1 9 d 0 0 0 0 0 -\n\n\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, v string) {
		r, err := parseRow(v)
		if err == nil && (r.state > stateUnknown || !strings.HasSuffix(v, string(r.reply))) {
			t.Errorf("%q was read as %+v", v, r)
		}
	})
}

// FuzzClaimAnswer: the same for what a script answers.
func FuzzClaimAnswer(f *testing.F) {
	f.Add("mine", "1", "{}", "0", "0")
	f.Add("busy", "1", "2", "", "")
	f.Add("delivered", "1", "-", "{}", "")
	f.Add("unknown", "1", "-", "", "")
	f.Add("late", "1", "", "", "")
	f.Fuzz(func(t *testing.T, a, b, c, d, e string) {
		parts := []any{a, b, c, d, e}
		for n := range parts {
			claim, word, _, err := parseClaim(parts[:n+1], content{})
			if err == nil && word != "late" && claim.Answer == 0 {
				t.Errorf("%q was read as no answer", parts[:n+1])
			}
		}
	})
}

func TestAnswersThatAreNone(t *testing.T) {
	for _, reply := range []any{nil, "mine", int64(1), []any{}, []any{"mine"}, []any{"mine", "1"}, []any{"mine", "1", "", "0", int64(0)},
		[]any{"yours", "1", "", "0", "0"}, []any{"mine", "x", "", "0", "0"}, []any{"mine", "1", "{", "0", "0"}, []any{"mine", "1", "", "-1", "0"},
		[]any{"busy", "1", "x"}, []any{"delivered", "1", "x", ""}, []any{"unknown", "1", "-", "{"}} {
		if claim, word, _, err := parseClaim(reply, content{}); err == nil {
			t.Errorf("%v was read as %q, %+v", reply, word, claim)
		}
	}
}
