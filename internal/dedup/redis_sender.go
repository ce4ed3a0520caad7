package dedup

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisBatch bounds how many calls one pipeline takes.
const redisBatch = 512

// waitShare is the part of the time limit that replicas have to take a write.
const waitShare = 2

// send puts what waits into pipelines until the store closes and nothing is left.
func (s *Redis) send() {
	var batch []*rop
	for {
		batch = batch[:0]
		select {
		case op := <-s.queue:
			batch = append(batch, op)
		case <-s.closing:
		}
		runtime.Gosched() // let the callers that the last batch has just woken queue their next call first
		batch = s.drain(batch)
		if len(batch) == 0 {
			return
		}
		s.carryOut(batch)
		clear(batch)
	}
}

func (s *Redis) drain(batch []*rop) []*rop {
	for len(batch) < redisBatch {
		select {
		case op := <-s.queue:
			batch = append(batch, op)
		default:
			return batch
		}
	}
	return batch
}

// carryOut sends a batch and answers its callers. What goes once more goes with the text of its script.
func (s *Redis) carryOut(batch []*rop) {
	sent := batch[:0]
	for _, op := range batch {
		if op.state.CompareAndSwap(ropQueued, ropSent) {
			sent = append(sent, op)
		}
	}
	for _, whole := range []bool{false, true} {
		if len(sent) == 0 {
			return
		}
		sent = s.exchange(sent, whole)
	}
}

// exchange sends the calls in one pipeline and answers them, but for those that go once more: the server did not know their
// script, or took their caller for gone.
func (s *Redis) exchange(ops []*rop, whole bool) (more []*rop) {
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.Redis.Timeout)
	defer cancel()
	p := s.server().Pipeline()
	cmds := make([]*redis.Cmd, len(ops))
	var durable, once bool
	for i, op := range ops {
		s.bound(op)
		cmds[i] = op.command(ctx, whole)
		_ = p.Process(ctx, cmds[i]) // only queues it
		durable, once = durable || op.durable, once || op.once
	}
	var acknowledged *redis.IntCmd
	if durable && s.opts.Redis.WaitReplicas > 0 {
		acknowledged = redis.NewIntCmd(ctx, "wait", s.opts.Redis.WaitReplicas, (s.opts.Redis.Timeout / waitShare).Milliseconds())
		_ = p.Process(ctx, acknowledged)
	}
	var epoch *redis.StringCmd
	if once { // after the claims: a store that is still what it was now has not been emptied before them
		epoch = p.Get(ctx, s.epochKey())
	}
	_, failed := p.Exec(ctx)
	s.noteAnswer(cmds, failed)

	short := s.shortOfReplicas(acknowledged)
	reset := s.otherEpoch(epoch)
	for i, op := range ops {
		reply, err := brought(cmds[i], failed)
		switch {
		case !whole && redis.HasErrorPrefix(err, "NOSCRIPT"):
			more = append(more, op)
		case err != nil:
			judged := judge(err)
			s.finish(op, nil, judged, op.owned != 0 && judged.uncertain())
		case op.durable && short != nil:
			s.finish(op, nil, short, op.owned != 0)
		case op.once && reset != nil && grants(reply):
			s.finish(op, nil, reset, true)
		case s.late(op, reply):
			more = append(more, op)
		default:
			s.finish(op, reply, nil, false)
		}
	}
	return more
}

// brought is what a command of a pipeline brought. Where there was no connection for the pipeline, the client says so for the
// pipeline only, and its commands look like answered with nothing, which no script does.
func brought(cmd *redis.Cmd, failed error) (any, error) {
	reply, err := cmd.Result()
	if err == nil && reply == nil {
		if err = failed; err == nil {
			err = errors.New("an empty answer")
		}
	}
	return reply, err
}

// command is the call of the script, by its digest or with its text.
func (op *rop) command(ctx context.Context, whole bool) *redis.Cmd {
	args := make([]any, 0, 4+len(op.args))
	if whole {
		args = append(args, "eval", op.script.text, 1, op.key)
	} else {
		args = append(args, "evalsha", op.script.digest, 1, op.key)
	}
	cmd := redis.NewCmd(ctx, append(args, op.args...)...)
	cmd.SetFirstKeyPos(3)
	return cmd
}

// bound tells a claim until when the server may give it: as long as its caller waits.
func (s *Redis) bound(op *rop) {
	if op.before == 0 || op.again || s.opts.serverNow != nil {
		return
	}
	if until, ok := s.clock.at(op.limit); ok {
		op.args[op.before] = micros(until)
	}
}

// late says that the claim was refused because its caller seemed to have gone. Where it has not, this is another clock than
// that of the last answer, because it was set or belongs to another server: once more, by the one that was just read.
func (s *Redis) late(op *rop, reply any) bool {
	if op.before == 0 {
		return false
	}
	word, at, ok := answerHead(reply)
	if !ok {
		return false
	}
	s.clock.set(at)
	left := time.Until(op.limit)
	if word != "late" || op.again || left <= 0 {
		return false
	}
	op.again = true
	op.args[op.before] = micros(at.Add(left))
	return true
}

// noteAnswer takes note whether the server answered at all: the first error that is not about one row, or none.
func (s *Redis) noteAnswer(cmds []*redis.Cmd, failed error) {
	for _, cmd := range cmds {
		_, err := brought(cmd, failed)
		if err != nil && !redis.HasErrorPrefix(err, "NOSCRIPT") && !redis.HasErrorPrefix(err, "UNREADABLE") {
			s.answered(judge(err))
			return
		}
	}
	s.answered(nil)
}

// shortOfReplicas is the error of writes that too few replicas have.
func (s *Redis) shortOfReplicas(acknowledged *redis.IntCmd) error {
	if acknowledged == nil {
		return nil
	}
	n, err := acknowledged.Result()
	if err != nil {
		return judge(err)
	}
	if n < int64(s.opts.Redis.WaitReplicas) {
		return errShort(n, s.opts.Redis.WaitReplicas)
	}
	return nil
}

// otherEpoch is the error of claims of a store that is not the one that it was.
func (s *Redis) otherEpoch(cmd *redis.StringCmd) error {
	if cmd == nil {
		return nil
	}
	v, err := cmd.Result()
	switch {
	case errors.Is(err, redis.Nil):
	case err != nil:
		return judge(err)
	case s.epoch.holds(v):
		return nil
	}
	s.lookNow()
	return errReset
}
