package dedup

import (
	"fmt"
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/consumer"
)

// TestManyLookupsInOneBatch: whatever waits together is answered each with its own row, at every size of a batch.
func TestManyLookupsInOneBatch(t *testing.T) {
	f := newFaults()
	s := openAt(t, ledgerPath(t), Options{seams: seams{fault: f.at, pragmas: fast, lookUpAll: true}})
	const n = 150 // every third is there
	for i := 0; i < n; i += 3 {
		c := mustClaim(t, s, repeatable(fmt.Sprint(i)), consumer.AnswerMine)
		must(t, s.Delivered(t.Context(), idOf(fmt.Sprint(i)), c.Token, contentNo(1), fmt.Append(nil, i)))
	}
	for _, batch := range []int{1, 2, 7, 8, 9, 63, 64, 65, n} {
		reached, open := f.hold("read")
		must(t, s.read(t.Context(), newRead(&entry{key: keyOf(idOf("first"))}, content{})))
		<-reached // the reader is busy: what comes now waits
		ops := make([]*read, batch)
		for i := range ops {
			k := keyOf(idOf(fmt.Sprint(i)))
			ops[i] = newRead(&entry{key: k, repeatable: true, token: 1, lease: lease}, contentOf(contentNo(1)))
			must(t, s.read(t.Context(), ops[i]))
		}
		open()
		for i, op := range ops {
			<-op.done
			want := consumer.Claim{Answer: consumer.AnswerMine}
			if i%3 == 0 {
				want = consumer.Claim{Answer: consumer.AnswerDelivered, Reply: fmt.Append(nil, i)}
			}
			if op.err != nil || op.claim.Answer != want.Answer || string(op.claim.Reply) != string(want.Reply) {
				t.Errorf("batch of %d, lookup %d: %+v, %v", batch, i, op.claim, op.err)
			}
		}
	}
}

// TestLookupUsesTheKey: a lookup that scans the table would be right, and slow.
func TestLookupUsesTheKey(t *testing.T) {
	s := openAt(t, ledgerPath(t), Options{})
	must(t, s.Close())
	c, err := dial(t.Context(), s.path, func(string) error { return nil })
	must(t, err)
	defer func() { must(t, c.close()) }()
	for _, size := range lookupSizes {
		plan, err := c.plan(lookupSQL(size))
		must(t, err)
		if !strings.Contains(plan, "SEARCH ledger USING PRIMARY KEY") || strings.Contains(plan, "SCAN ledger") {
			t.Errorf("%d keys: %s", size, plan)
		}
	}
}
