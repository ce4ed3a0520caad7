package consumer

import (
	"fmt"
	"sync"
	"time"

	"github.com/toprelay/worker/internal/top"
	"github.com/toprelay/worker/schemas"
)

// platform is TOP in a simulation: what it accepts is accepted, whatever becomes of the worker that asked.
type platform struct {
	seed    uint64
	mu      sync.Mutex
	state   string // what is wrong with it now; empty: nothing
	calls   []fakeCall
	made    map[string]int
	flying  map[string]int // calls in flight, by worker and lane
	banned  map[string]ban
	broken  []string
	inCalls map[int]int // calls in flight, by worker
}

// ban is what a worker was told.
type ban struct{ since, until time.Time }

func newPlatform(seed uint64) *platform {
	return &platform{seed: seed, made: map[string]int{}, flying: map[string]int{}, banned: map[string]ban{}, inCalls: map[int]int{}}
}

func (p *platform) trouble(state string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state
}

func (p *platform) inFlight(worker int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inCalls[worker]
}

// call is one call of a worker. It takes its time, and then its effect is there.
func (p *platform) call(worker int, a *top.Account, t *schemas.Type, payload top.Payload) top.Reply {
	c := readCall(a, t, payload)
	lane := fmt.Sprint(worker, c.account, c.method, c.key)
	scope := c.account + " " + c.method
	p.mu.Lock()
	p.made[c.id]++
	c.n = p.made[c.id]
	if p.flying[lane]++; p.flying[lane] > 1 {
		p.broken = append(p.broken, "two calls at once of key "+c.key)
	}
	// A call that had its permit starts at the moment of the ban; a later one has had none to have.
	if b := p.banned[fmt.Sprint(worker, scope)]; b.until.After(c.at) && c.at.After(b.since) {
		p.broken = append(p.broken, fmt.Sprintf("a call of %s during its ban", scope))
	}
	p.inCalls[worker]++
	p.mu.Unlock()
	time.Sleep(time.Duration(chance(p.seed, "takes %s %d", c.id, c.n)) * 40 * time.Millisecond)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flying[lane]--
	p.inCalls[worker]--
	c.reply = p.answer(c)
	c.reply.Duration = time.Since(c.at)
	p.calls = append(p.calls, c)
	return c.reply
}

// told notes that a worker has got a reply.
func (p *platform) told(worker int, a *top.Account, t *schemas.Type, r top.Reply) {
	if r.Class != top.ClassThrottled {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.banned[fmt.Sprint(worker, a.Name+" "+t.Method)] = ban{time.Now(), time.Now().Add(r.Wait)}
}

func (p *platform) answer(c fakeCall) top.Reply {
	n := chance(p.seed, "reply %s %d", c.id, c.n)
	failed := func() top.Reply {
		if c.method == createMethod {
			return ambiguous()
		}
		return broken()
	}
	switch p.state {
	case "is well":
		if n < 11 {
			return refused()
		}
		return accepted()
	case "refuses":
		return unreachable()
	case "answers 502":
		return failed()
	case "bans":
		if n < 30 {
			return banned(time.Duration(1+n) * time.Second)
		}
	case "asks for a session":
		return sessionDead()
	}
	switch {
	case c.key == "3" && c.method == statusMethod: // one key has a fault of its own
		return broken()
	case n < 4:
		return unreachable()
	case n < 8:
		return failed()
	case n < 11:
		return refused()
	}
	return accepted()
}

// story is what the platform saw, for a seed that failed.
func (p *platform) story() []string {
	var lines []string
	for _, c := range p.calls {
		lines = append(lines, fmt.Sprintf("%s call %d of %s, key %s: %v", c.at.Format("15:04:05.000"), c.n, c.id, c.key, c.reply.Class))
	}
	return lines
}
