package dedup

import "sync"

// lostClaims are claims that the server may hold for this process and that nobody here has: the answer did not come, or came
// when the caller had gone. They would keep an id busy until their deadline, and then look like a call that was cut off. The
// watch gives them back when the server answers again. None can be made later than that: a claim is good only if the server
// gives it while its caller waits (see serverClock).
type lostClaims struct {
	mu  sync.Mutex
	ops []*rop
}

func (l *lostClaims) add(op *rop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ops = append(l.ops, op)
}

// take empties the list.
func (l *lostClaims) take() []*rop {
	l.mu.Lock()
	defer l.mu.Unlock()
	ops := l.ops
	l.ops = nil
	return ops
}

// giveBack is the release of the claim that op asked for.
func (s *Redis) giveBack(op *rop) *rop {
	return &rop{script: s.scripts.release, key: op.key, args: op.args[:4:4], giver: true, durable: op.once}
}

// anew is the same release once more.
func (s *Redis) anew(op *rop) *rop {
	return &rop{script: op.script, key: op.key, args: op.args, giver: true, durable: op.durable}
}
