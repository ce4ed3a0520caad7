package deadletter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/toprelay/worker/internal/event"
)

var (
	errTooLarge = errors.New("too large")
	errAway     = errors.New("broker away")
)

// fakeProducer takes records up to a size.
type fakeProducer struct {
	partitions    int
	partitionsErr error
	takes         int // bytes; 0: any
	fail          error
	hang          bool
	tries         int
	records       []event.Record
	topic         string
	partition     int
}

// Write implements Producer.
func (f *fakeProducer) Write(ctx context.Context, topic string, partition int, r event.Record) error {
	f.tries++
	f.topic, f.partition = topic, partition
	switch {
	case f.hang:
		<-ctx.Done()
		return ctx.Err()
	case f.fail != nil:
		return f.fail
	case f.takes > 0 && r.Size() > f.takes:
		return fmt.Errorf("write: %w", errTooLarge)
	}
	f.records = append(f.records, r)
	return nil
}

// Partitions implements Producer.
func (f *fakeProducer) Partitions(context.Context, string) (int, error) {
	return f.partitions, f.partitionsErr
}

func writer(f *fakeProducer) *Writer {
	return NewWriter(f, Options{Topic: "dead", Group: "g", Version: "v", MaxBytes: 10_000, Timeout: 10 * time.Second, TooLarge: errTooLarge})
}

// A letter goes to the partition number of its origin, or where its key belongs if there is none.
func TestWriterPartition(t *testing.T) {
	for partitions, want := range map[int]int{300: 258, 259: 258, 258: -1, 1: -1} {
		f := &fakeProducer{partitions: partitions}
		if err := writer(f).Write(t.Context(), letter()); err != nil {
			t.Fatal(err)
		}
		if f.partition != want || f.topic != "dead" || len(f.records) != 1 {
			t.Errorf("of %d partitions: %s/%d, want dead/%d", partitions, f.topic, f.partition, want)
		}
	}
}

func TestWriterSizes(t *testing.T) {
	big := bytes.Repeat([]byte("v"), 9000)
	tests := []struct {
		name   string
		reason event.Reason
		change func(r *event.Record)
		takes  int
		tries  int
		want   string // whole, reference, or what was truncated
	}{
		{"fits", event.ReasonRejected, func(*event.Record) {}, 0, 1, "whole"},
		{"large and fits", event.ReasonRejected, func(r *event.Record) { r.Value = big[:8000] }, 0, 1, "whole"},
		{"larger than a letter may be", event.ReasonRejected, func(r *event.Record) { r.Value = append(big, big...) }, 0, 1, "reference"},
		{"oversized, though it would fit", event.ReasonOversized, func(*event.Record) {}, 0, 1, "reference"},
		{"the broker takes less", event.ReasonRejected, func(r *event.Record) { r.Value = big[:5000] }, 4000, 2, "reference"},
		{"the broker takes less, and the headers are large", event.ReasonRejected, func(r *event.Record) { r.Value, r.Headers[0].Value = big[:3000], big[:5000] }, 4000, 3, "headers,key"},
		{"the broker takes less, and there is no value", event.ReasonMalformedEvent, func(r *event.Record) { r.Value, r.Headers[0].Value = nil, big[:5000] }, 4000, 2, "headers,key"},
		{"oversized, and the broker takes less", event.ReasonOversized, func(r *event.Record) { r.Key = big[:5000] }, 4000, 2, "headers,key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakeProducer{partitions: 1, takes: tt.takes}
			l := letter()
			l.Reason = tt.reason
			tt.change(l.Record)
			if err := writer(f).Write(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			got := "whole"
			if text(f.records[0], HeaderSize) != "" {
				got = "reference"
			}
			if tr := text(f.records[0], HeaderTruncated); tr != "" {
				got = tr
			}
			if got != tt.want || f.tries != tt.tries {
				t.Errorf("%s after %d tries, want %s after %d", got, f.tries, tt.want, tt.tries)
			}
			if got == "whole" && !bytes.Equal(f.records[0].Value, l.Record.Value) {
				t.Error("the value changed")
			}
		})
	}
}

// What cannot be written is an error that names the record and not what it holds.
func TestWriterFails(t *testing.T) {
	tests := []struct {
		name string
		f    *fakeProducer
		want error
		says string
	}{
		{"the topic is not known", &fakeProducer{partitionsErr: errAway}, errAway, "dead-letter topic dead"},
		{"the broker is away", &fakeProducer{partitions: 1, fail: errAway}, errAway, "top.work-orders/258 at offset 1099511627783"},
		{"the broker takes nothing", &fakeProducer{partitions: 1, takes: 10}, errTooLarge, "top.work-orders/258 at offset 1099511627783"},
		{"the broker does not answer", &fakeProducer{partitions: 1, hang: true}, context.DeadlineExceeded, "top.work-orders/258"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				err := writer(tt.f).Write(context.Background(), letter())
				if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "订单") {
					t.Errorf("err = %v", err)
				}
				if time.Since(start) > 10*time.Second {
					t.Errorf("it took %v", time.Since(start))
				}
			})
		})
	}
}
