package dedup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
)

// modelID is what a ledger must know of one id, in the plainest words. Whether it is repeatable belongs to its method.
type modelID struct {
	repeatable bool
	settled    consumer.Answer // AnswerDelivered, AnswerUnknown, or 0
	content    consumer.Content
	reply      string
	history    retry.History
	doubt      bool   // a claim ended without a result, and the call must not be repeated
	token      uint64 // of the open claim, or 0
	deadline   time.Time

	// Where processes share the store, a claim outlives its process until its deadline.
	cut bool // the claim is of a process that is gone
	// Where answers are lost on a network, the last end may be told again.
	lastToken uint64
	lastEnd   string
}

// cutOff counts the attempt of a claim whose process ended.
func (m *modelID) cutOff(now time.Time) {
	if !m.repeatable || m.settled != 0 {
		return
	}
	m.history.Attempts++
	m.history.Ambiguous = true
	if m.history.FirstFailedAt.IsZero() {
		m.history.FirstFailedAt = now
	}
}

// claim is what the ledger must answer.
func (m *modelID) claim(now time.Time, c consumer.Content) consumer.Claim {
	if m.cut && !now.Before(m.deadline) {
		m.cutOff(now)
	}
	conflict := c.Version == m.content.Version && c != m.content
	again := m.settled == consumer.AnswerUnknown && m.repeatable
	switch {
	case again && m.token != 0 && now.Before(m.deadline):
		return consumer.Claim{Answer: consumer.AnswerBusy, BusyUntil: m.deadline}
	case m.settled != 0 && (!again || conflict):
		want := consumer.Claim{Answer: m.settled, Conflict: conflict}
		if m.settled == consumer.AnswerUnknown {
			want.History = m.history
		} else if m.reply != "" {
			want.Reply = []byte(m.reply)
		}
		return want
	case m.token != 0 && now.Before(m.deadline):
		return consumer.Claim{Answer: consumer.AnswerBusy, BusyUntil: m.deadline}
	case !m.repeatable && (m.doubt || m.token != 0):
		return consumer.Claim{Answer: consumer.AnswerAbandoned, History: m.history}
	default:
		return consumer.Claim{Answer: consumer.AnswerMine, History: m.history}
	}
}

// took notes that the answer gave a claim.
func (m *modelID) took(c consumer.Claim, now time.Time, lease time.Duration) {
	if c.Token != 0 {
		m.cut, m.lastToken, m.lastEnd = false, 0, ""
		m.doubt = c.Answer == consumer.AnswerAbandoned
		m.token, m.deadline = c.Token, now.Add(lease)
	}
}

// machine runs a store beside the model.
type machine struct {
	t      *rapid.T
	store  store
	reopen func() store // nil: the store does not survive
	shared bool         // other processes may use it too: what one held stays held until its deadline
	clock  *clock
	ids    map[string]*modelID
	tokens []uint64 // all that were ever given
}

func (m *machine) anID() (consumer.LedgerKey, *modelID) {
	name := rapid.SampledFrom([]string{"r1", "r2", "o1", "o2"}).Draw(m.t, "id")
	id := m.ids[name]
	if id == nil {
		id = &modelID{repeatable: name[0] == 'r'}
		m.ids[name] = id
	}
	return idOf(name), id
}

func (m *machine) aContent() consumer.Content {
	c := contentNo(rapid.IntRange(1, 2).Draw(m.t, "content"))
	c.Version = uint8(rapid.IntRange(1, 2).Draw(m.t, "version"))
	return c
}

func (m *machine) claim(t *rapid.T) {
	m.t = t
	k, id := m.anID()
	r := consumer.ClaimRequest{
		Key: k, Content: m.aContent(), Repeatable: id.repeatable,
		Lease: time.Duration(rapid.IntRange(1, 30).Draw(t, "lease")) * time.Second,
	}
	got, err := m.store.Claim(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	now := m.clock.Now()
	want := id.claim(now, r.Content)
	if (got.Token != 0) != (want.Answer == consumer.AnswerMine || want.Answer == consumer.AnswerAbandoned) || slices.Contains(m.tokens, got.Token) {
		t.Fatalf("token %d with answer %s; given so far %v", got.Token, answerName(got.Answer), m.tokens)
	}
	if got.Token != 0 {
		m.tokens = append(m.tokens, got.Token)
	}
	want.Token = got.Token
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Fatalf("claim of %s:\n got %+v\nwant %+v", k.ID, got, want)
	}
	id.took(got, now, r.Lease)
}

// end tries to end the claim of an id with its own token or with one of another claim.
func (m *machine) end(t *rapid.T) {
	m.t = t
	k, id := m.anID()
	token := id.token
	if len(m.tokens) > 0 && rapid.IntRange(0, 3).Draw(t, "whose") == 0 {
		token = rapid.SampledFrom(m.tokens).Draw(t, "token")
	}
	ctx, content, history := context.Background(), m.aContent(), someHistory(rapid.IntRange(1, 9).Draw(t, "attempts"))
	how := rapid.SampledFrom([]string{"delivered", "unknown", "failed", "release", "forget"}).Draw(t, "how")
	after := *id
	after.token, after.deadline, after.lastToken, after.lastEnd = 0, time.Time{}, token, how
	var err error
	switch how {
	case "delivered":
		after.reply = rapid.SampledFrom([]string{"", `{"a":1}`}).Draw(t, "reply")
		after.settled, after.content, after.doubt, after.history = consumer.AnswerDelivered, content, false, retry.History{}
		err = m.store.Delivered(ctx, k, token, content, []byte(after.reply))
	case "unknown":
		after.settled, after.content, after.doubt, after.history = consumer.AnswerUnknown, content, false, history
		err = m.store.Unknown(ctx, k, token, content, history)
	case "failed":
		after.history = history
		err = m.store.Failed(ctx, k, token, history)
	case "release":
		if (id.settled == 0 && !id.doubt && id.history == retry.History{}) {
			after.lastEnd = "" // nothing is left that could say it
		}
		err = m.store.Release(ctx, k, token)
	case "forget":
		after = modelID{repeatable: id.repeatable}
		err = m.store.Forget(ctx, k, token)
	}
	again := m.shared && how == id.lastEnd && token == id.lastToken
	if holds := token != 0 && token == id.token && !id.cut; !holds && !again {
		if !errors.Is(err, consumer.ErrClaimLost) {
			t.Fatalf("%s of %s with token %d, held by %d: %v", how, k.ID, token, id.token, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s of %s: %v", how, k.ID, err)
	}
	*id = after
}

func (m *machine) wait(t *rapid.T) {
	m.clock.advance(time.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * time.Second)
}

func (m *machine) restart(t *rapid.T) {
	if m.reopen == nil || rapid.IntRange(0, 3).Draw(t, "restart") > 0 { // rarely: it costs most of the test's time
		return
	}
	m.store = m.reopen()
	for _, id := range m.ids {
		id.lastToken, id.lastEnd = 0, "" // of another process now
		if m.shared {
			id.cut = id.cut || id.token != 0
			continue
		}
		if id.token != 0 {
			id.cutOff(m.clock.Now())
		}
		id.doubt = !id.repeatable && (id.doubt || id.token != 0)
		id.token, id.deadline = 0, time.Time{}
	}
}

// modelled are the stores that TestModel runs, and redisOfModel the servers of those among them that need one: an empty place
// for run n, whose expiry follows the clock, and what ends it.
var (
	modelled     = []string{"memory", "sqlite", "redis"}
	redisOfModel = map[string]func(t testing.TB, c *clock, n int) (at RedisOptions, stop func()){"redis": runFakeRedis}
)

// TestModel compares the stores with the model in every order of claims, ends, waits and restarts that rapid thinks of.
func TestModel(t *testing.T) {
	for _, kind := range modelled {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir, n, outer := t.TempDir(), 0, t
			rapid.Check(t, func(t *rapid.T) {
				m := &machine{t: t, clock: newClock(), ids: map[string]*modelID{}}
				n++
				switch kind {
				case "memory":
					m.store = NewMemory(Options{Now: m.clock.Now})
				case "sqlite":
					path := filepath.Join(dir, fmt.Sprint(n, ".db"))
					m.reopen = func() store {
						if m.store != nil {
							if err := m.store.Close(); err != nil {
								t.Fatal(err)
							}
						}
						s, err := Open(context.Background(), Options{Path: path, Now: m.clock.Now, LockWait: -1, seams: seams{pragmas: fast}})
						if err != nil {
							t.Fatal(err)
						}
						return s
					}
					m.store = m.reopen()
				default:
					at, stop := redisOfModel[kind](outer, m.clock, n)
					defer stop()
					m.shared = true
					m.reopen = func() store {
						if m.store != nil {
							if err := m.store.Close(); err != nil {
								t.Fatal(err)
							}
						}
						s, err := NewRedis(Options{Redis: at, Now: m.clock.Now, seams: seams{serverNow: m.clock.Now}})
						if err == nil {
							err = s.Start(context.Background())
						}
						if err != nil {
							t.Fatal(err)
						}
						return s
					}
					m.store = m.reopen()
				}
				defer func() { _ = m.store.Close() }()
				// Claims and ends are listed more than once so that they come more often.
				t.Repeat(map[string]func(*rapid.T){
					"claim": m.claim, "claim again": m.claim, "end": m.end, "end again": m.end, "wait": m.wait, "restart": m.restart,
				})
			})
		})
	}
}

// TestOneHolderAtATime lets many callers fight for few ids, with leases that run out while they hold them. Each holder
// adds one to the attempts that it found: a count that is not the number of acknowledged additions means that two callers
// held one claim at once, or that the claim of one was completed by another.
func TestOneHolderAtATime(t *testing.T) {
	for _, st := range stores {
		t.Run(st.name, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			s := st.open(t, clock, Options{seams: seams{pragmas: fast}})
			var added [4]atomic.Int64
			must(t, callers(32, 8000, func(i int) error {
				if i%50 == 0 {
					clock.advance(lease) // for all at once
				}
				n := i % len(added)
				r := repeatable(fmt.Sprint(n))
				c, err := s.Claim(t.Context(), r)
				if err != nil || c.Answer != consumer.AnswerMine {
					return err
				}
				switch i % 11 {
				case 0: // holds it until it runs out
				case 1:
					err = s.Release(t.Context(), r.Key, c.Token)
				default:
					h := c.History
					h.Attempts++
					if err = s.Failed(t.Context(), r.Key, c.Token, h); err == nil {
						added[n].Add(1)
					}
				}
				if errors.Is(err, consumer.ErrClaimLost) {
					return nil
				}
				return err
			}))
			clock.advance(lease)
			for n := range added {
				c := mustClaim(t, s, repeatable(fmt.Sprint(n)), consumer.AnswerMine)
				if int64(c.History.Attempts) != added[n].Load() || c.History.Attempts == 0 {
					t.Errorf("id %d: %d attempts are stored, %d were acknowledged", n, c.History.Attempts, added[n].Load())
				}
			}
		})
	}
}
