package integration

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/schemas"
)

// fate is what became of one published record, told from what the gateway and the dead-letter topic hold.
type fate struct {
	*ev
	consumer.TopicPartition
	Offset  int64
	Record  event.Record
	Outcome string
	Reason  string        // of a dead letter
	Letter  *event.Record // nil: none
	Calls   []exchange    // of its mark, so those of its repeats too
}

// claims are what a test knows better than the oracle.
type claims struct {
	// restarted: there were several workers, whose metrics do not add up.
	restarted bool
	// sentTwice are marks of events that may have been called again after a success, because a worker was killed.
	sentTwice map[string]bool
	// lag is what the group has left of the topics.
	lag int64
	// version is what the letters name; empty: that of a worker in this process.
	version string
}

// audit joins what was published, what the gateway saw, the dead letters, the committed offsets and the metrics, and
// reports what breaks a promise: nothing lost, nothing sent twice, order kept, letters true, nothing committed too
// early, metrics right. It is asked when the worker has stopped.
func (r *relay) audit(c claims) []fate {
	r.t.Helper()
	fates := r.fates()
	r.checkLetters(fates, c)
	r.checkOnce(fates, c)
	r.checkOrder(fates)
	r.checkCommits(fates)
	if lag := r.lag(); lag != c.lag {
		r.t.Errorf("the group's lag is %d, want %d", lag, c.lag)
	}
	if !c.restarted && r.metrics != nil {
		r.checkMetrics(fates)
	}
	return fates
}

// fates finds for each published record where it lies and what became of it, in the order of the log.
func (r *relay) fates() []fate {
	r.t.Helper()
	calls := map[string][]exchange{}
	for _, x := range r.gateway.log() {
		calls[x.Mark] = append(calls[x.Mark], x)
	}
	places := map[string]*ev{}
	for _, e := range r.published {
		places[placeOf(e.record)] = e
	}
	letters := r.lettersByOrigin()
	var all []fate
	succeeded := map[string]bool{}
	for _, record := range r.read(r.status()) {
		all = append(all, fate{Record: record})
	}
	for _, record := range r.read(r.work()) {
		all = append(all, fate{Record: record})
	}
	for i := range all {
		f := &all[i]
		f.ev = places[placeOf(f.Record)]
		if f.ev == nil {
			r.t.Fatalf("a record at %s/%d/%d that the test did not publish", f.Record.Topic, f.Record.Partition, f.Record.Offset)
		}
		f.TopicPartition = consumer.TopicPartition{Topic: f.Record.Topic, Partition: f.Record.Partition}
		f.Offset, f.Calls = f.Record.Offset, calls[f.mark]
		f.Letter = letters[origin(f.Record.Topic, f.Record.Partition, f.Record.Offset)]
		delete(letters, origin(f.Record.Topic, f.Record.Partition, f.Record.Offset))
		switch {
		case f.Letter != nil:
			f.Outcome, f.Reason = "dead_lettered", header(*f.Letter, "toprelay-reason")
		case f.kind == nil:
			r.t.Errorf("%s: no event, and no dead letter of it", f)
		case succeeded[f.ident()]:
			f.Outcome = "duplicate"
		default:
			succeeded[f.ident()] = true
			f.Outcome = "delivered"
		}
	}
	for place := range letters {
		r.t.Errorf("a dead letter of %s, where no record is", place)
	}
	if len(all) != len(r.published) {
		r.t.Errorf("%d records in the topics, %d were published", len(all), len(r.published))
	}
	return all
}

func (f *fate) String() string {
	if f.ev == nil || f.kind == nil {
		return fmt.Sprintf("%s/%d/%d", f.Topic, f.Partition, f.Offset)
	}
	return fmt.Sprintf("%s/%d/%d (%s %s, key %s, %s)", f.Topic, f.Partition, f.Offset, f.kind.name, f.id, f.key, f.mark)
}

func placeOf(r event.Record) string {
	value, _ := r.Header(placeHeader)
	return string(value)
}

// checkOnce: what was told to have succeeded is never called again, a call that must not be repeated is not, and each
// event without a letter was accepted.
func (r *relay) checkOnce(fates []fate, c claims) {
	r.t.Helper()
	byIdent := map[string][]fate{}
	for _, f := range fates {
		if f.kind != nil {
			byIdent[f.ident()] = append(byIdent[f.ident()], f)
		}
	}
	for _, group := range byIdent {
		var calls []exchange
		seen := map[string]bool{}
		delivered := false
		for _, f := range group {
			delivered = delivered || f.Letter == nil
			if !seen[f.mark] {
				seen[f.mark] = true
				calls = append(calls, f.Calls...)
			}
		}
		slices.SortFunc(calls, func(a, b exchange) int { return a.Begun.Compare(b.Begun) })
		f := &group[0]
		accepted, effects := 0, 0
		for i, x := range calls {
			if x.accepted() {
				accepted++
				if i < len(calls)-1 && !c.sentTwice[f.mark] {
					r.t.Errorf("%s: called again after the gateway had said that it succeeded", f)
				}
			}
			if !x.nothingRan() && !x.rejected() {
				effects++
			}
		}
		if !f.kind.repeatable && effects > 1 {
			r.t.Errorf("%s: %d calls that may have run of a method that must not be repeated", f, effects)
		}
		if delivered && accepted == 0 {
			r.t.Errorf("%s: lost: neither accepted nor in the dead letters; %d calls", f, len(calls))
		}
	}
}

// checkOrder: the calls of a key are in the order of the log.
func (r *relay) checkOrder(fates []fate) {
	r.t.Helper()
	type lane struct {
		consumer.TopicPartition
		account, method, key string
	}
	offsets := map[lane]map[string]int64{} // of marks; of repeats the first one
	for _, f := range fates {
		if f.kind == nil {
			continue
		}
		l := lane{f.TopicPartition, f.account, f.kind.method, f.key}
		if offsets[l] == nil {
			offsets[l] = map[string]int64{}
		}
		if _, repeat := offsets[l][f.mark]; !repeat {
			offsets[l][f.mark] = f.Offset
		}
	}
	lanes := map[string][]lane{} // of marks
	for l, marks := range offsets {
		for m := range marks {
			lanes[m] = append(lanes[m], l)
		}
	}
	last := map[lane]int64{}
	for _, x := range r.gateway.log() {
		for _, l := range lanes[x.Mark] {
			at := offsets[l][x.Mark]
			if before, known := last[l]; known && at < before {
				r.t.Errorf("key %s of %s: offset %d was called after offset %d", l.key, l.TopicPartition, at, before)
			}
			last[l] = at
		}
	}
}

// checkCommits: at no sampled moment had the group committed past a record whose fate was not sealed, nor less than
// before.
func (r *relay) checkCommits(fates []fate) {
	r.t.Helper()
	if r.stopSampling != nil {
		r.stopSampling()
	}
	sealed := map[string]time.Time{} // of idents: when the first success was told
	for _, f := range fates {
		for _, x := range f.Calls {
			if at, known := sealed[f.identOrEmpty()]; x.accepted() && (!known || x.Ended.Before(at)) {
				sealed[f.identOrEmpty()] = x.Ended
			}
		}
	}
	byPartition := map[consumer.TopicPartition][]fate{}
	for _, f := range fates {
		byPartition[f.TopicPartition] = append(byPartition[f.TopicPartition], f)
	}
	before := map[consumer.TopicPartition]int64{}
	for _, s := range r.samples {
		for tp, committed := range s.committed {
			if committed < before[tp] {
				r.t.Errorf("%s: committed %d after %d", tp, committed, before[tp])
			}
			for _, f := range byPartition[tp] {
				if f.Offset < before[tp] || f.Offset >= committed {
					continue
				}
				at := sealed[f.identOrEmpty()]
				if f.Letter != nil {
					at = f.Letter.Time
				}
				if at.IsZero() || at.After(s.at) {
					r.t.Errorf("%s: committed at %v, but its fate was sealed at %v", &f, s.at, at)
				}
			}
			before[tp] = max(before[tp], committed)
		}
	}
}

func (f *fate) identOrEmpty() string {
	if f.kind == nil {
		return ""
	}
	return f.ident()
}

// tally counts fates by type and outcome, or reason for dead letters.
func tally(fates []fate) map[string]int {
	counts := map[string]int{}
	for _, f := range fates {
		name := "other"
		if f.kind != nil {
			name = f.kind.name
		}
		counts[name+" "+cmp.Or(f.Reason, f.Outcome)]++
	}
	return counts
}

// expect asserts a tally.
func (r *relay) expect(fates []fate, want map[string]int) {
	r.t.Helper()
	if got := tally(fates); !maps.Equal(got, want) {
		r.t.Errorf("what became of the events: %v, want %v", got, want)
	}
}

// origin names a place as letters and logs do.
func origin(topic string, partition int, offset int64) string {
	return schemas.JoinParts(topic, fmt.Sprint(partition), fmt.Sprint(offset))
}

// want is an error where a number is another.
func want(got, number int64) error {
	if got != number {
		return fmt.Errorf("it is %d, want %d", got, number)
	}
	return nil
}
