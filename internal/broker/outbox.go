package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/toprelay/worker/internal/event"
)

const (
	writeBatch    = 2000 // records in one request
	writeAttempts = 4    // with waits of 0.1 to 1 s between them
	writeWaitMin  = 100 * time.Millisecond
	writeWaitMax  = time.Second
)

// target is a partition that is written to.
type target struct {
	topic     string
	partition int
}

// outbox is what waits to be written to one partition. One request is under way at a time, and what comes meanwhile goes
// out together with the next one. The writer's lock guards it.
type outbox struct {
	target
	waiting []*pending
	sending bool // a goroutine is at it

	// limit is how many records the next request may hold. After a failure it is one, so that a broker that holds requests
	// back, and may write them all later, gets no more than one record at a time; it doubles with each success. Where the
	// topic calls a request too large it is halved: one oversized record fails all that went out with it.
	limit int
}

// call is one WriteAll.
type call struct {
	left  int           // records without an outcome
	gone  error         // the caller has given up: what is not under way is not sent
	ended chan struct{} // closed with the last one
}

// pending is a record that has no outcome yet.
type pending struct {
	target
	call   *call
	record *event.Record
	size   int
	tries  int
	err    error // once the call has ended
}

func newPending(o *Outgoing, partition int, c *call) *pending {
	c.left++
	return &pending{target: target{o.Topic, partition}, call: c, record: &o.Record, size: wireSize(&o.Record)}
}

// enqueue puts the records of a call, some of which may be nil, where they belong. It returns whether there are any to wait
// for.
func (w *Writer) enqueue(c *call, all []*pending) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.left == 0 {
		return false
	}
	for _, p := range all {
		switch {
		case p == nil:
		case w.closed:
			p.end(net.ErrClosed)
		default:
			b := w.boxes[p.target]
			if b == nil {
				b = &outbox{target: p.target, limit: writeBatch}
				w.boxes[p.target] = b
			}
			b.waiting = append(b.waiting, p)
		}
	}
	for _, p := range all {
		if b := w.boxes[targetOf(p)]; b != nil && !b.sending && len(b.waiting) > 0 {
			b.sending = true
			w.senders.Go(func() { w.send(b) })
		}
	}
	return true
}

func targetOf(p *pending) target {
	if p == nil {
		return target{}
	}
	return p.target
}

// end gives a record its outcome. The writer's lock is held.
func (p *pending) end(err error) {
	p.err = err
	if p.call.left--; p.call.left == 0 {
		close(p.call.ended)
	}
}

// giveUp takes what waits of a call out of the outboxes. What is under way ends with its request.
func (w *Writer) giveUp(c *call, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.gone = err
	for _, b := range w.boxes {
		kept := b.waiting[:0]
		for _, p := range b.waiting {
			if p.call == c {
				p.end(err)
			} else {
				kept = append(kept, p)
			}
		}
		clear(b.waiting[len(kept):])
		b.waiting = kept
	}
}

// empty ends all that waits.
func (b *outbox) empty(err error) {
	for _, p := range b.waiting {
		p.end(err)
	}
	b.waiting = nil
}

// send writes what waits in an outbox until nothing does.
func (w *Writer) send(b *outbox) {
	failures := 0 // in a row that may pass
	for {
		batch := w.take(b)
		if batch == nil {
			return
		}
		err := w.produce(b.target, batch)
		w.mu.Lock()
		again := b.sent(batch, err)
		w.mu.Unlock()
		if !again {
			failures = 0
			continue
		}
		timer := time.NewTimer(min(writeWaitMin<<min(2*failures, 8), writeWaitMax))
		failures++
		select {
		case <-timer.C:
		case <-w.ctx.Done():
			timer.Stop()
		}
	}
}

// take takes the records of the next request. It returns nil where none waits, and then the sender has ended.
func (w *Writer) take(b *outbox) []*pending {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		b.empty(net.ErrClosed)
	}
	n, size := 0, 0
	for n < min(len(b.waiting), b.limit) && (n == 0 || size+b.waiting[n].size <= MaxWriteBytes) {
		size += b.waiting[n].size
		n++
	}
	if n == 0 {
		b.sending, b.waiting = false, nil
		return nil
	}
	batch := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	return batch
}

func (w *Writer) produce(t target, batch []*pending) error {
	records := make([]kafka.Record, len(batch))
	for i, p := range batch {
		p.tries++
		records[i] = message(p.record)
	}
	ctx, cancel := context.WithTimeout(w.ctx, w.c.cfg.RequestTimeout)
	defer cancel()
	r, err := w.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: t.topic, Partition: t.partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	if err != nil {
		return err
	}
	return r.Error
}

// message keeps absent and empty apart, for key, value and header values. It can be read once: each request needs new ones.
func message(r *event.Record) kafka.Record {
	m := kafka.Record{Key: kafka.NewBytes(r.Key), Value: kafka.NewBytes(r.Value), Time: r.Time}
	if len(r.Headers) > 0 {
		m.Headers = make([]protocol.Header, len(r.Headers))
		for i, h := range r.Headers {
			m.Headers[i] = protocol.Header(h)
		}
	}
	return m
}

// sent takes the outcome of a request in. It returns true where records go back to be tried again after a wait.
func (b *outbox) sent(batch []*pending, err error) (again bool) {
	tooLarge := errors.Is(err, kafka.MessageSizeTooLarge) || errors.Is(err, kafka.RecordListTooLarge)
	switch {
	case err == nil:
		b.limit = min(2*b.limit, writeBatch)
	case tooLarge && len(batch) > 1:
		b.limit = len(batch) / 2
		for _, p := range batch {
			p.tries-- // a smaller request is no second try
		}
		b.putBack(batch)
		return false
	case tooLarge:
		err = fmt.Errorf("%w: the broker refused %d bytes", ErrTooLarge, batch[0].size)
	default:
		b.limit = 1
		if again = repeatable(err); again {
			batch = b.putBack(batch)
		}
	}
	for _, p := range batch {
		p.end(err)
	}
	if err != nil && !tooLarge && len(batch) > 0 {
		b.stop(batch, err)
	}
	return again && len(b.waiting) > 0
}

// stop ends what waits of the calls of failed records: it must not overtake them.
func (b *outbox) stop(failed []*pending, err error) {
	calls := make(map[*call]bool, len(failed))
	for _, p := range failed {
		calls[p.call] = true
	}
	kept := b.waiting[:0]
	for _, p := range b.waiting {
		if calls[p.call] {
			p.end(err)
		} else {
			kept = append(kept, p)
		}
	}
	clear(b.waiting[len(kept):])
	b.waiting = kept
}

// putBack puts records back to the front, but for those whose caller has gone. It returns those that were tried often
// enough.
func (b *outbox) putBack(batch []*pending) (tried []*pending) {
	kept := make([]*pending, 0, len(batch)+len(b.waiting))
	for _, p := range batch {
		switch {
		case p.call.gone != nil:
			p.end(p.call.gone)
		case p.tries >= writeAttempts:
			tried = append(tried, p)
		default:
			kept = append(kept, p)
		}
	}
	b.waiting = append(kept, b.waiting...)
	return tried
}

// repeatable says whether a write that failed is tried again at once, as the Java client does. One whose reply did not come in
// time may be on its way still, or in the log: then its caller decides.
func repeatable(err error) bool {
	var refusal kafka.Error
	if errors.As(err, &refusal) {
		return refusal.Temporary() && refusal != kafka.RequestTimedOut && refusal != kafka.NotEnoughReplicasAfterAppend
	}
	var network net.Error
	late := errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
	return IsUnreachable(err) && !late
}
