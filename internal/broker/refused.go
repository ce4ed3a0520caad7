package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// place is a message and where it stands in what the caller gave.
type place struct {
	message kafka.Message
	index   int
}

// send writes messages in one call. It returns those of batches that the broker calls too large.
func (w *Writer) send(ctx context.Context, to *kafka.Writer, messages []kafka.Message, places []int, r *writeResult) []place {
	err := to.WriteMessages(ctx, messages...)
	if err == nil {
		return nil
	}
	var each kafka.WriteErrors
	var tooLarge []place
	for k, i := range places {
		e := err
		if errors.As(err, &each) {
			e = each[k] // WriteErrors has no Unwrap: errors.Is on the whole finds nothing
		}
		switch {
		case e == nil:
		case errors.Is(e, kafka.MessageSizeTooLarge), errors.Is(e, kafka.RecordListTooLarge):
			tooLarge = append(tooLarge, place{messages[k], i})
		default:
			r.fail(i, e)
		}
	}
	return tooLarge
}

// sendApart finds the records that are too large in batches that were refused as a whole, and writes the others: one
// oversized record fails all that went out with it, those of other callers included. It halves, in order, until
// refused records stand alone.
func (w *Writer) sendApart(ctx context.Context, refused []place, r *writeResult) {
	messages, places := make([]kafka.Message, len(refused)), make([]int, len(refused))
	for k, p := range refused {
		messages[k], places[k] = p.message, p.index
	}
	again := w.send(ctx, w.isolate, messages, places, r)
	switch {
	case len(again) == 0:
	case len(refused) == 1:
		r.fail(places[0], fmt.Errorf("%w: the broker refused %d bytes", ErrTooLarge, wireSize(&r.out[places[0]].Record)))
	case len(again) < len(refused):
		w.sendApart(ctx, again, r)
	default:
		half := len(again) / 2
		w.sendApart(ctx, again[:half], r)
		w.sendApart(ctx, again[half:], r)
	}
}

// writeResult collects the errors of one WriteAll.
type writeResult struct {
	c    *Client
	out  []Outgoing
	errs []error
}

func (r *writeResult) fail(i int, err error) {
	if r.errs == nil {
		r.errs = make([]error, len(r.out))
	}
	err = r.c.explain(err)
	o := &r.out[i]
	if o.Partition == ByKey {
		r.errs[i] = fmt.Errorf("write to %s: %w", o.Topic, err)
		return
	}
	r.errs[i] = fmt.Errorf("write to %s/%d: %w", o.Topic, o.Partition, err)
}
