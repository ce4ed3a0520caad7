package dedup

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
)

// Claim asks for one attempt (see consumer.Ledger).
func (s *Redis) Claim(ctx context.Context, r consumer.ClaimRequest) (consumer.Claim, error) {
	start := time.Now()
	c, err := s.claim(ctx, r)
	s.observeClaim(start, c, err)
	if err != nil {
		return consumer.Claim{}, fmt.Errorf("ledger claim: %w", err)
	}
	return c, nil
}

func (s *Redis) claim(ctx context.Context, r consumer.ClaimRequest) (consumer.Claim, error) {
	if err := saneLease(r.Lease); err != nil {
		return consumer.Claim{}, err
	}
	if err := s.ready(ctx); err != nil {
		return consumer.Claim{}, err
	}
	how := holdsRepeatable
	if !r.Repeatable {
		if s.epoch.paused() {
			return consumer.Claim{}, errReset
		}
		how = holdsOnce
	}
	token := s.tokens.Add(1)
	c := contentOf(r.Content)
	op := s.newOp(s.scripts.claim, r.Key, token, "0", r.Lease.Microseconds(), how, c.text(), scopeOf(r.Key).text())
	op.before, op.owned = 4, token
	op.once, op.durable = !r.Repeatable, !r.Repeatable
	if err := s.do(ctx, op); err != nil {
		return consumer.Claim{}, err
	}
	claim, word, at, err := parseClaim(op.reply, c)
	switch {
	case err != nil:
		return consumer.Claim{}, fmt.Errorf("what Redis has of this id cannot be read: %w", err)
	case word == "late":
		return consumer.Claim{}, errNoAnswer(s.opts.Redis.Timeout)
	case claim.Answer == consumer.AnswerMine || claim.Answer == consumer.AnswerAbandoned:
		claim.Token = token
	case claim.Answer == consumer.AnswerBusy: // by the clock of here
		claim.BusyUntil = s.opts.Now().Add(claim.BusyUntil.Sub(at))
	}
	return claim, nil
}

// ready is nil where an operation may begin.
func (s *Redis) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.usable()
}

func scopeOf(k consumer.LedgerKey) scope { return scope{k.Method, k.Account} }

// newOp is a call of a script about an id; all of them begin with the same four arguments.
func (s *Redis) newOp(sc *script, k consumer.LedgerKey, token uint64, args ...any) *rop {
	now := ""
	if s.opts.serverNow != nil {
		now = micros(s.opts.serverNow())
	}
	first := [4]any{s.owner, strconv.FormatUint(token, 10), now, s.opts.Retention.Milliseconds()}
	return &rop{script: sc, key: redisKey(s.opts.Redis.Prefix, keyOf(k)), args: append(first[:], args...)}
}

// Delivered records the success. What is longer than 4 KiB is left out.
func (s *Redis) Delivered(ctx context.Context, k consumer.LedgerKey, token uint64, c consumer.Content, reply []byte) error {
	return s.complete(ctx, opDelivered, s.newOp(s.scripts.settle, k, token,
		endDelivered, contentOf(c).text(), scopeOf(k).text(), "", keptReply(reply)))
}

// Unknown records that a call may have run and that nobody knows.
func (s *Redis) Unknown(ctx context.Context, k consumer.LedgerKey, token uint64, c consumer.Content, h retry.History) error {
	history, err := encodeHistory(h)
	if err != nil {
		return err
	}
	return s.complete(ctx, opUnknown, s.newOp(s.scripts.settle, k, token,
		endUnknown, contentOf(c).text(), scopeOf(k).text(), history, ""))
}

// Failed gives the claim back and keeps the history. A claim that was answered with AnswerAbandoned stays so.
func (s *Redis) Failed(ctx context.Context, k consumer.LedgerKey, token uint64, h retry.History) error {
	history, err := encodeHistory(h)
	if err != nil {
		return err
	}
	return s.complete(ctx, opFailed, s.newOp(s.scripts.failed, k, token, scopeOf(k).text(), history))
}

// Release gives the claim back and leaves everything as it was before.
func (s *Redis) Release(ctx context.Context, k consumer.LedgerKey, token uint64) error {
	return s.complete(ctx, opRelease, s.newOp(s.scripts.release, k, token))
}

// Forget drops the id.
func (s *Redis) Forget(ctx context.Context, k consumer.LedgerKey, token uint64) error {
	return s.complete(ctx, opForget, s.newOp(s.scripts.forget, k, token))
}

// complete ends a claim. One whose answer was lost may be ended once more in the same way: that succeeds where the first did.
func (s *Redis) complete(ctx context.Context, o operation, op *rop) error {
	start := time.Now()
	op.durable = true
	err := s.ready(ctx)
	if err == nil {
		if err = s.do(ctx, op); err == nil && op.reply != "ok" {
			err = consumer.ErrClaimLost
		}
	}
	s.observe(start, o, err)
	if err != nil {
		return fmt.Errorf("ledger %s: %w", o, err)
	}
	return nil
}
