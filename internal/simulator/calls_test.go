package simulator

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func addCalls(l *callLog, from, n int) {
	for i := range n {
		l.add(record{Call: Call{Method: strconv.Itoa(from + i), Accepted: true}, reply: strings.Repeat("x", 1000)})
	}
}

func TestLogKeepsTheLast(t *testing.T) {
	l := callLog{maxCalls: 100, maxBytes: 1 << 30}
	addCalls(&l, 1, 1000)
	list := l.snapshot()
	if len(list) != 100 || len(l.ring) != 100 {
		t.Fatalf("%d of %d kept, want 100", len(list), len(l.ring))
	}
	for i, r := range list {
		if want := 901 + i; r.Method != strconv.Itoa(want) || r.Seq != int64(want) {
			t.Fatalf("call %d is %s with seq %d, want %d", i, r.Method, r.Seq, want)
		}
	}
}

func TestLogIsBoundedInBytes(t *testing.T) {
	l := callLog{maxCalls: 1000, maxBytes: 50_000}
	addCalls(&l, 1, 500)
	if l.bytes > 50_000 || l.count < 30 || l.count > 50 {
		t.Errorf("%d calls of %d bytes", l.count, l.bytes)
	}
	l.add(record{reply: strings.Repeat("x", 100_000)})
	if l.count != 1 {
		t.Errorf("%d calls beside one that is over the bound by itself", l.count)
	}
	l.clear()
	if l.count != 0 || l.bytes != 0 {
		t.Errorf("%d calls of %d bytes after clear", l.count, l.bytes)
	}
}

func TestWait(t *testing.T) {
	var l callLog
	l.maxCalls, l.maxBytes = 10, 1<<20
	addCalls(&l, 1, 2)
	l.add(record{})
	for _, enough := range [][2]int{{0, 0}, {3, 0}, {0, 2}, {3, 2}} {
		if err := l.wait(t.Context(), enough[0], enough[1]); err != nil {
			t.Errorf("%v: %v", enough, err)
		}
	}
	cause := errors.New("enough of it")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := l.wait(ctx, 4, 0); !errors.Is(err, cause) || !strings.Contains(err.Error(), "3 calls, 2 accepted") {
		t.Errorf("%v", err)
	}
	if len(l.waiters) != 0 {
		t.Error("who gave up still waits")
	}
	waited := make(chan error, 2)
	for _, more := range [][2]int{{4, 0}, {0, 4}} {
		go func() { waited <- l.wait(t.Context(), more[0], more[1]) }()
	}
	addCalls(&l, 4, 2)
	for range 2 {
		if err := <-waited; err != nil {
			t.Error(err)
		}
	}
	l.clear()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if l.wait(ctx, 1, 0) == nil {
		t.Error("a cleared log still counts")
	}
}

// Many callers at once, with faults put in force and the log read meanwhile: run with -race.
func TestTogether(t *testing.T) {
	r := newRig(t, func(o *Options) { o.PerSecond = 1_000_000 })
	const callers, each = 8, 100
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			for j := range each {
				d := create(map[string]string{"out_order_id": strconv.Itoa(i*each + j)})
				if j%2 == 0 {
					d = update(map[string]string{"logistics_order_id": strconv.Itoa(1 + i)})
				}
				r.send(d)
			}
		})
	}
	group.Go(func() {
		for range 50 {
			if err := r.SetFaults([]Fault{{Match: Match{Key: "3"}, Action: Action{Code: 10}}, {Match: Match{Every: 5}, Action: Action{Garbage: GarbageHTML}}}); err != nil {
				t.Error(err)
			}
			r.Faults()
			r.Calls()
			if err := r.SetApp("2", App{Secret: "x"}); err != nil {
				t.Error(err)
			}
		}
	})
	group.Wait()
	if err := r.WaitCalls(t.Context(), callers*each); err != nil {
		t.Fatal(err)
	}
	seen := map[int64]bool{}
	for i, call := range r.Calls() {
		if call.Seq != int64(i+1) || seen[call.Seq] {
			t.Fatalf("call %d has seq %d", i, call.Seq)
		}
		seen[call.Seq] = true
	}
}
