package consumer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/toprelay/worker/internal/top"
	"github.com/toprelay/worker/schemas"
)

// fakeCall is one call as the platform saw it.
type fakeCall struct {
	id, key, account, method string
	n                        int // the n-th of this id, from 1
	at                       time.Time
	reply                    top.Reply
}

// fakeCaller answers calls by a script. It keeps what it saw, and that one key never has two calls at once.
type fakeCaller struct {
	mu     sync.Mutex
	reply  func(c fakeCall) top.Reply     // nil: accepted
	takes  func(c fakeCall) time.Duration // nil: no time
	calls  []fakeCall
	made   map[string]int
	flying map[string]bool
	most   int // calls at once
	causes []error
	broken []string
	trace  *trace
}

func newFakeCaller(tr *trace) *fakeCaller {
	return &fakeCaller{made: map[string]int{}, flying: map[string]bool{}, trace: tr}
}

// readCall reads what a call is about.
func readCall(a *top.Account, t *schemas.Type, p top.Payload) fakeCall {
	c := fakeCall{account: a.Name, method: t.Method, at: time.Now()}
	for _, param := range p.Params {
		switch param.Name {
		case "express_company", "out_order_id":
			c.id = param.Value
		case "logistics_order_id":
			c.key = param.Value
		case "param":
			var data struct {
				Key string `json:"platform_order_id"`
				ID  string `json:"mail_company"`
			}
			_ = json.Unmarshal([]byte(param.Value), &data)
			c.key, c.id = data.Key, data.ID
		}
	}
	if c.key == "" {
		c.key = c.id
	}
	return c
}

// Call implements Caller.
func (f *fakeCaller) Call(ctx context.Context, a *top.Account, t *schemas.Type, p top.Payload) top.Reply {
	c := readCall(a, t, p)
	lane := fmt.Sprint(c.account, c.method, c.key)
	f.mu.Lock()
	f.made[c.id]++
	c.n = f.made[c.id]
	if f.flying[lane] {
		f.broken = append(f.broken, "two calls at once of key "+c.key)
	}
	f.flying[lane] = true
	f.most = max(f.most, len(f.flying))
	f.trace.add("call")
	takes := f.takes
	f.mu.Unlock()

	cancelled := false
	if takes != nil {
		timer := time.NewTimer(takes(c))
		select {
		case <-timer.C:
		case <-ctx.Done():
			cancelled = true
		}
		timer.Stop()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.flying, lane)
	c.reply = top.Reply{Class: top.ClassOK, Written: true, RequestID: "req"}
	switch {
	case cancelled:
		f.causes = append(f.causes, context.Cause(ctx))
		c.reply = top.Reply{Class: top.ClassCancelled, Written: true, Err: ctx.Err()}
	case f.reply != nil:
		c.reply = f.reply(c)
	}
	c.reply.Duration = time.Since(c.at)
	f.calls = append(f.calls, c)
	return c.reply
}

// answer sets the script.
func (f *fakeCaller) answer(reply func(c fakeCall) top.Reply) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reply = reply
}

// lasting sets how long a call takes.
func (f *fakeCaller) lasting(takes func(c fakeCall) time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.takes = takes
}

// of lists the calls of an id, in the order in which they ended.
func (f *fakeCaller) of(id string) []fakeCall {
	return slices.DeleteFunc(f.all(), func(c fakeCall) bool { return c.id != id })
}

func (f *fakeCaller) all() []fakeCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// ids are the ids of all calls, in the order in which they ended.
func (f *fakeCaller) ids() []string {
	var ids []string
	for _, c := range f.all() {
		ids = append(ids, c.id)
	}
	return ids
}

// inFlight counts the calls that have not ended.
func (f *fakeCaller) inFlight() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.flying)
}

var errReset = errors.New("connection reset")

// Replies of every class, as the client makes them.
func accepted() top.Reply { return top.Reply{Class: top.ClassOK, Written: true, RequestID: "req"} }

func refused() top.Reply {
	return top.Reply{Class: top.ClassRejected, Written: true, Code: "15", SubCode: "isv.order-closed", Message: "closed", RequestID: "req"}
}

func unreachable() top.Reply {
	return top.Reply{Class: top.ClassTransient, NothingRan: true, Err: errReset}
}

func broken() top.Reply {
	return top.Reply{Class: top.ClassTransient, Written: true, Status: 502, Err: errReset}
}

func ambiguous() top.Reply {
	return top.Reply{Class: top.ClassAmbiguous, Written: true, Status: 502, Err: errReset}
}

func banned(wait time.Duration) top.Reply {
	return top.Reply{Class: top.ClassThrottled, Scope: top.ScopeAppKeyMethod, Written: true, NothingRan: true, Code: "7", Wait: wait}
}

func sessionDead() top.Reply {
	return top.Reply{Class: top.ClassSession, Scope: top.ScopeAccountMethod, Written: true, NothingRan: true, Code: "42"}
}

func sessionGone() top.Reply {
	return top.Reply{Class: top.ClassSession, Scope: top.ScopeAccount, Immediate: true, Written: true, NothingRan: true, Code: "27"}
}

func misconfigured() top.Reply {
	return top.Reply{Class: top.ClassMisconfigured, Scope: top.ScopeAccountMethod, Written: true, NothingRan: true, Code: "12"}
}
