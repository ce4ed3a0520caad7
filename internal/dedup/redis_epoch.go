package dedup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// epoch is what this process knows of the age of the store. Redis that lost its data looks like one that never had any; the
// epoch is a key that the first worker writes and every worker remembers, so that a running worker sees the difference. Until
// an operator has taken the loss, methods that must not be repeated get no claims: their ids may have been delivered.
//
// A store that is emptied while no worker runs cannot be told from a new one.
type epoch struct {
	mu    sync.Mutex
	known string
	reset bool // and nobody has accepted it
}

const (
	epochFirst    = "first"
	epochReset    = "reset"
	epochAccepted = "accepted"
)

// holds says that v, as it stands in the store, is the epoch that is known, and that nothing was lost.
func (e *epoch) holds(v string) bool {
	id, how, _ := strings.Cut(v, " ")
	e.mu.Lock()
	defer e.mu.Unlock()
	return id == e.known && how != epochReset
}

// paused says that the store was emptied and nobody has accepted that.
func (e *epoch) paused() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reset
}

func (e *epoch) id() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.known
}

// see takes note of what stands in the store, and says what changed.
func (e *epoch) see(v string) (lost, paused, resumed bool) {
	id, how, _ := strings.Cut(v, " ")
	e.mu.Lock()
	defer e.mu.Unlock()
	lost = e.known != "" && id != e.known
	before := e.reset
	e.known, e.reset = id, how == epochReset
	return lost, e.reset && !before, before && !e.reset
}

func (s *Redis) epochKey() string { return s.opts.Redis.Prefix + "epoch" }

// lookAtEpoch finds out whether the store is still what it was, and whether it takes writes.
func (s *Redis) lookAtEpoch(ctx context.Context) error {
	asked := time.Now()
	reply, err := s.run(ctx, s.scripts.epoch, s.epochKey(), s.epoch.id(), fmt.Sprintf("%016x", rand.Uint64()))
	if err != nil {
		return err
	}
	parts, _ := reply.([]any)
	if len(parts) != 2 {
		return fmt.Errorf("epoch: answer %v", reply)
	}
	value, _ := parts[0].(string)
	text, _ := parts[1].(string)
	at, err := parseMicros(text)
	if err != nil {
		return err
	}
	if time.Since(asked) < s.opts.Redis.Timeout/2 {
		s.clock.set(at)
	}
	lost, paused, resumed := s.epoch.see(value)
	if lost {
		s.resets.Inc()
		s.opts.Logger.Error("Redis lost the ledger: what was delivered is forgotten, and events that are read again are sent again",
			"epoch", s.epoch.id())
	}
	switch {
	case paused:
		s.opts.Logger.Error("methods that must not be repeated make no calls until an operator runs `worker dedup accept-reset`")
	case resumed:
		s.opts.Logger.Warn("an operator accepted that the ledger was lost: all methods go on")
	}
	return nil
}

// AcceptReset takes the loss of an emptied store: every worker goes on within a second. It says false where there was none.
func (s *Redis) AcceptReset(ctx context.Context) (bool, error) {
	reply, err := s.run(ctx, s.scripts.accept, s.epochKey())
	if err != nil {
		return false, fmt.Errorf("accept the reset: %w", err)
	}
	s.lookNow()
	return reply == epochReset, nil
}

// run calls a script that is not about an id, outside of the batches.
func (s *Redis) run(ctx context.Context, sc *script, key string, args ...any) (any, error) {
	var reply any
	err := s.directly(ctx, func(ctx context.Context, c redis.UniversalClient) (err error) {
		reply, err = c.EvalSha(ctx, sc.digest, []string{key}, args...).Result()
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			reply, err = c.Eval(ctx, sc.text, []string{key}, args...).Result()
		}
		return err
	})
	return reply, err
}

// directly asks the server outside of the batches, within the time limit.
func (s *Redis) directly(ctx context.Context, ask func(context.Context, redis.UniversalClient) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, s.opts.Redis.Timeout)
	defer cancel()
	err := ask(bounded, s.server())
	switch {
	case err == nil, errors.Is(err, redis.Nil):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return judge(err)
	}
}
