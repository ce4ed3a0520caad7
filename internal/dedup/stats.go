package dedup

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
)

// Count is how many ids of a method and account are in a state: claimed, released, delivered or unknown.
type Count struct {
	Method  string `json:"method"`
	Account string `json:"account"`
	State   string `json:"state"`
	Entries int64  `json:"entries"`
}

var stateNames = [...]string{stateClaimed: "claimed", stateReleased: "released", stateDelivered: "delivered", stateUnknown: "unknown"}

// tally adds up counts.
type tally struct {
	mu  sync.Mutex
	sum map[Count]int64 // by a Count without its entries
}

func newTally() *tally { return &tally{sum: map[Count]int64{}} }

func (t *tally) add(s state, method, account string, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum[Count{Method: method, Account: account, State: stateNames[s]}] += n
}

// counts are in the order of method, account and state.
func (t *tally) counts() []Count {
	all := make([]Count, 0, len(t.sum))
	for c, n := range t.sum {
		c.Entries = n
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Method, b.Method), cmp.Compare(a.Account, b.Account), cmp.Compare(a.State, b.State))
	})
	return all
}

// SQLiteStats counts the entries of the file at path, also beside the worker that has it open. It changes nothing.
func SQLiteStats(ctx context.Context, path string) (_ []Count, err error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	c, err := dial(ctx, path, func(string) error { return nil }, "query_only=1")
	if err != nil {
		return nil, damaged(path, err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	app, err := c.int1("PRAGMA application_id")
	if err != nil {
		return nil, damaged(path, err)
	}
	if app != applicationID {
		return nil, fmt.Errorf("%s is no ledger", path)
	}
	s, err := c.prepare("SELECT coalesce(method, ''), coalesce(account, ''), state, count(*) FROM ledger LEFT JOIN scope ON scope.id = ledger.scope GROUP BY 1, 2, 3")
	if err != nil {
		return nil, damaged(path, err)
	}
	t := newTally()
	err = s.query(4, func(row []driver.Value) error {
		method, _ := row[0].(string)
		account, _ := row[1].(string)
		number, _ := row[2].(int64)
		n, _ := row[3].(int64)
		state, err := storedState(number)
		if err == nil {
			t.add(state, method, account, n)
		}
		return err
	})
	if err != nil {
		return nil, damaged(path, err)
	}
	return t.counts(), nil
}
