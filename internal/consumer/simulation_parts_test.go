package consumer

import (
	"context"
	"errors"
	"sync"

	"github.com/toprelay/worker/internal/retry"
)

// lifeGeneration is a generation of a life. When the group has gone on without it, it is fenced: the broker refuses its
// commits.
type lifeGeneration struct {
	l     *life
	inner *fakeGeneration

	mu     sync.Mutex
	over   bool
	fenced bool
}

var errFenced = errors.New("illegal generation")

func (g *lifeGeneration) Assignments() []Assignment { return g.inner.assignments }
func (g *lifeGeneration) Ended() <-chan struct{}    { return g.inner.ended }

func (g *lifeGeneration) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.over {
		g.over = true
		close(g.inner.ended)
	}
}

// fence makes every later commit fail.
func (g *lifeGeneration) fence() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fenced = true
}

// Fetch implements Generation.
func (g *lifeGeneration) Fetch(ctx context.Context, tp TopicPartition, offset int64) (Batch, error) {
	if err := g.l.goOn(); err != nil {
		return Batch{}, err
	}
	if err, _ := g.l.failing(); err != nil {
		return Batch{}, err
	}
	b, err := g.inner.Fetch(ctx, tp, offset)
	if dead := g.l.goOn(); dead != nil {
		return Batch{}, dead
	}
	return b, err
}

// Commit implements Generation.
func (g *lifeGeneration) Commit(ctx context.Context, offsets map[TopicPartition]int64) error {
	if err := g.l.goOn(); err != nil {
		return err
	}
	if _, err := g.l.failing(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fenced {
		g.l.s.reach("zombie fenced", 1)
		return errFenced
	}
	return g.inner.Commit(ctx, offsets)
}

// Release implements Generation.
func (g *lifeGeneration) Release() { g.inner.Release() }

// lifeLedger is the shared ledger as one life sees it.
type lifeLedger struct{ l *life }

// do runs an operation unless the worker has crashed, before it or while it waited for the answer.
func (d lifeLedger) do(op func() error) error {
	if err := d.l.goOn(); err != nil {
		return err
	}
	err := op()
	if dead := d.l.goOn(); dead != nil {
		return dead
	}
	return err
}

func (d lifeLedger) Claim(ctx context.Context, r ClaimRequest) (c Claim, err error) {
	err = d.do(func() (err error) {
		c, err = d.l.s.ledger.Claim(ctx, r)
		return err
	})
	return c, err
}

func (d lifeLedger) Delivered(ctx context.Context, k LedgerKey, token uint64, c Content, reply []byte) error {
	return d.do(func() error { return d.l.s.ledger.Delivered(ctx, k, token, c, reply) })
}

func (d lifeLedger) Unknown(ctx context.Context, k LedgerKey, token uint64, c Content, h retry.History) error {
	return d.do(func() error { return d.l.s.ledger.Unknown(ctx, k, token, c, h) })
}

func (d lifeLedger) Failed(ctx context.Context, k LedgerKey, token uint64, h retry.History) error {
	return d.do(func() error { return d.l.s.ledger.Failed(ctx, k, token, h) })
}

func (d lifeLedger) Release(ctx context.Context, k LedgerKey, token uint64) error {
	return d.do(func() error { return d.l.s.ledger.Release(ctx, k, token) })
}

func (d lifeLedger) Forget(ctx context.Context, k LedgerKey, token uint64) error {
	return d.do(func() error { return d.l.s.ledger.Forget(ctx, k, token) })
}

// lifeLetters is the dead-letter topic as one life sees it.
type lifeLetters struct{ l *life }

func (d lifeLetters) Write(ctx context.Context, letter Letter) error {
	return lifeLedger(d).do(func() error { return d.l.s.letters.Write(ctx, letter) })
}

// lifeResults is the results topic as one life sees it.
type lifeResults struct{ l *life }

func (d lifeResults) Write(ctx context.Context, r Result) error {
	return lifeLedger(d).do(func() error { return d.l.s.results.Write(ctx, r) })
}
