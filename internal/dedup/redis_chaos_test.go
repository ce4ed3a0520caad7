package dedup

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/toprelay/worker/internal/consumer"
)

// TestNetworkThatFails lets two workers settle ids over wires that hold back requests and answers and cut connections, in an
// order of chance. No worker dies and no deadline passes, so each id is given to exactly one caller, once, and without a word
// of an attempt that was cut off: what the network does must not look like a call.
func TestNetworkThatFails(t *testing.T) {
	const ids, workers = 150, 2
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	m := miniredis.RunT(t)
	var wires [workers]*wire
	var stores [workers]*Redis
	for i := range stores {
		wires[i] = newWire(t, m.Addr())
		at := wires[i].options()
		at.Timeout = 250 * time.Millisecond
		stores[i] = openRedis(t, at, nil, Options{CloseTimeout: time.Minute})
	}
	over := make(chan struct{})
	var given [ids]atomic.Int32
	var lost atomic.Int32
	wires[0].keepAnswers() // until something was lost
	wires[1].keepRequests()
	var chaos sync.WaitGroup
	chaos.Go(func() {
		chance := rand.New(rand.NewPCG(seed, 0))
		tick := time.NewTicker(40 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
			}
			if lost.Load() == 0 {
				continue
			}
			w := wires[chance.IntN(workers)]
			switch chance.IntN(32) {
			case 0, 1:
				w.keepRequests()
			case 2, 3:
				w.keepAnswers()
			case 4:
				w.lead(m.Addr())
			case 5, 6, 7, 8, 9, 10, 11, 12:
				w.passRequests()
				w.passAnswers()
			}
		}
	})
	err := callers(8, 2*ids, func(i int) error {
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		s, id := stores[i%workers], i/2
		r := repeatable(fmt.Sprint(id))
		r.Repeatable = id%2 == 0
		for ; ; <-again.C {
			c, err := s.Claim(t.Context(), r)
			switch {
			case err != nil:
				lost.Add(1)
				continue
			case c.Answer == consumer.AnswerBusy:
				continue
			case c.Answer == consumer.AnswerDelivered:
				return nil
			case c.Answer != consumer.AnswerMine || c.History.Attempts > 0 || c.History.Ambiguous:
				return fmt.Errorf("id %d: %s with %+v", id, answerName(c.Answer), c.History)
			}
			given[id].Add(1)
			for ; ; <-again.C {
				err := s.Delivered(t.Context(), r.Key, c.Token, r.Content, nil)
				if err == nil {
					return nil
				}
				if errors.Is(err, consumer.ErrClaimLost) {
					return fmt.Errorf("id %d: %w", id, err)
				}
				lost.Add(1)
			}
		}
	})
	close(over)
	chaos.Wait()
	for _, w := range wires {
		w.passRequests()
		w.passAnswers()
	}
	must(t, err)
	for id := range given {
		if n := given[id].Load(); n != 1 {
			t.Errorf("id %d was given %d times", id, n)
		}
	}
	if lost.Load() == 0 {
		t.Error("the network lost nothing: the test says nothing")
	}
}
