package consumer

import (
	"time"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
	"github.com/toprelay/worker/schemas"
)

// item is one fetched record on its way to an outcome. Its lane owns it: only one goroutine works on it at a time.
type item struct {
	record    event.Record
	partition *partition
	size      int

	event   event.Event   // without Data, which is not needed after decoding
	typ     *schemas.Type // nil where the catalogue has none of that name
	account *top.Account
	key     string // ordering key; empty where it could not be read
	id      LedgerKey
	content Content
	payload top.Payload
	defect  *event.Defect // what is wrong with the event itself; then there is nothing to call
	fetched time.Time
	waited  time.Duration // from fetching to the start of the first call of this process

	given   *Outcome // the outcome is known, but could not be written in full yet
	calls   int      // calls made by this process
	history retry.History
	mark    time.Duration // the gate's active clock at the last failed attempt of this process
	loaded  bool          // history comes from this process and not from the ledger alone
	due     time.Time     // no call before, because of a failure in an earlier life of the worker

	settled bool // owned by the window
}

// typeLabel is the metric label of the event's type: a publisher's own text never becomes one.
func (it *item) typeLabel() string {
	if it.typ == nil {
		return "other"
	}
	return it.typ.Name
}

// laneKey is what order is promised within (contract section 3, Order).
type laneKey struct {
	account, method, key string
}

// lane holds the unsettled events of one key, in offset order. It exists while it has any. A waiting lane holds no
// goroutine, no slot and no connection.
type lane struct {
	key       laneKey
	partition *partition
	items     []*item
	scope     *scopeQueue // nil where the events need no call
	called    bool        // the attempt being made has a permit for a call
	reason    WaitReason  // why it waits
	parked    string      // the reason for which the gate refused this key alone
	due       time.Time   // of a waiting lane
}

// first is the event whose turn it is.
func (l *lane) first() *item { return l.items[0] }

// timers is a heap of waiting lanes by due time (container/heap).
type timers []*lane

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].due.Before(t[j].due) }
func (t timers) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *timers) Push(x any)        { *t = append(*t, x.(*lane)) }
func (t *timers) Pop() any {
	old := *t
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	return l
}
