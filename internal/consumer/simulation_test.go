package consumer

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/top"
)

var (
	simulationSeeds = flag.Int("seeds", 60, "how many seeds TestSimulation lives through")
	simulationSeed  = flag.Uint64("seed", 0, "the one seed that TestSimulation replays; 0: the first of -seeds")
)

// aims are states that the seeds are there to reach. A simulation that never reaches one of them shows nothing about it.
var aims = []string{
	"crash", "crash during a call", "zombie", "zombie fenced", "rebalance", "restart in order", "second worker",
	"outcome unknown", "claim lost", "accepted again after a crash", "probe of an open breaker failed", "ban survived a restart",
	"letter written again", "result written again", "window full", "ledger away", "commit failed", "retries exhausted",
}

// TestSimulation lives through random worlds, in which workers crash, are stopped and wake up too late, come and go, and
// everything around them fails; an oracle looks at each commit, call and letter. A seed decides everything: -seed N replays
// one. Unlike TestRandomWorlds it has several workers at once, which share a ledger by its deadlines.
func TestSimulation(t *testing.T) {
	reached := map[string]int{}
	first, count := uint64(1), uint64(*simulationSeeds)
	if *simulationSeed != 0 {
		first, count = *simulationSeed, 1
	}
	for seed := first; seed < first+count && !t.Failed(); seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSimulation(t, seed)
				s.live()
				for aim, n := range s.reached {
					reached[aim] += n
				}
			})
		})
	}
	if count == 1 {
		return
	}
	for _, aim := range aims {
		t.Logf("%6d × %s", reached[aim], aim)
		if reached[aim] == 0 {
			t.Errorf("no seed reached: %s", aim)
		}
	}
}

// simulation is one world: what outlives every worker.
type simulation struct {
	t       *testing.T
	seed    uint64
	dice    *rand.Rand
	kafka   *fakeKafka
	ledger  *fakeLedger
	letters *fakeLetters
	results *fakeResults
	plat    *platform
	lives   []*life // that are members, dead or alive
	number  int     // of lives so far
	kept    keptGate
	ids     map[string]event.Record
	shared  bool // more than one worker: claims end by their deadlines only
	crashes int  // with calls in flight, or stalls beyond a claim's deadline

	mu      sync.Mutex
	reached map[string]int
}

// reach notes that an aim was reached.
func (s *simulation) reach(aim string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reached[aim] += n
}

const simulationEvents = 60

func newSimulation(t *testing.T, seed uint64) *simulation {
	tr := &trace{}
	s := &simulation{
		t: t, seed: seed, dice: rand.New(rand.NewPCG(seed, 2)), kafka: newFakeKafka(tr), ledger: newFakeLedger(tr),
		letters: &fakeLetters{trace: tr}, results: &fakeResults{have: map[string]bool{}, trace: tr},
		ids: map[string]event.Record{}, shared: seed%2 == 0, reached: map[string]int{},
	}
	s.kafka.settled = s.results.settled
	s.plat = newPlatform(seed)
	for i := range simulationEvents {
		s.publish(i)
	}
	return s
}

// publish appends the i-th event.
func (s *simulation) publish(i int) {
	id, key := fmt.Sprintf("e-%d", i), s.dice.IntN(12)
	record := status(id, key)
	switch s.dice.IntN(10) {
	case 0, 1:
		record = create(id)
	case 2:
		record = parcel(id, key)
	case 3:
		record = status(id, key, value("{"))
	}
	if s.dice.IntN(4) == 0 {
		ofAccount("other")(&record)
	}
	s.ids[id] = record
	s.kafka.append(part(key%3), record)
	if s.dice.IntN(8) == 0 {
		s.kafka.gap(part(key%3), int64(s.dice.IntN(4)))
	}
}

func (s *simulation) live() {
	s.begin()
	for range 16 {
		s.trouble()
		s.pass(time.Duration(s.dice.IntN(5000)) * time.Millisecond)
		s.look()
		s.act()
	}
	s.heal()
	for minute := 0; minute < 120 && s.behind() > 0; minute++ { // probes come up to ten minutes apart
		s.pass(time.Minute)
	}
	for _, l := range slices.Clone(s.lives) {
		s.stop(l)
	}
	s.judge()
}

// act does something to the workers.
func (s *simulation) act() {
	l := s.lives[s.dice.IntN(len(s.lives))]
	switch s.dice.IntN(8) {
	case 0, 1:
		s.crash(l)
		s.begin()
	case 2:
		s.reach("restart in order", 1)
		s.stop(l)
		s.begin()
	case 3:
		s.stall(l, time.Duration(1+s.dice.IntN(40))*time.Second)
	case 4:
		if s.shared && len(s.lives) < 3 {
			s.reach("second worker", 1)
			s.begin()
		}
	case 5:
		s.rebalance()
	}
}

// trouble sets what fails until the next time.
func (s *simulation) trouble() {
	one := func(n int) bool { return s.dice.IntN(n) == 0 }
	failing := func(is bool) error { return map[bool]error{true: errAway}[is] }
	if one(2) { // else it goes on
		s.plat.trouble(map[bool]string{true: []string{"refuses", "answers 502", "bans", "asks for a session"}[s.dice.IntN(4)]}[one(2)])
	}
	ledger := one(6)
	s.ledger.failing(func(op string) error {
		if ledger {
			s.reach("ledger away", 1)
		}
		// What was accepted and not recorded is sent again: that is a bound of its own (TestRandomWorlds).
		return failing(ledger && op == "claim")
	})
	s.letters.failing(failing(one(5)))
	s.results.failing(failing(one(6)))
	fetch, commit := one(6), one(6)
	for _, l := range s.lives {
		l.setFailing(failing(fetch), failing(commit))
	}
}

// heal ends all trouble.
func (s *simulation) heal() {
	s.plat.trouble("is well")
	s.ledger.failing(nil)
	s.letters.failing(nil)
	s.results.failing(nil)
	for _, l := range s.lives {
		l.setFailing(nil, nil)
		l.resume()
	}
	s.pass(30 * time.Second)
	s.rebalance()
}

func (s *simulation) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// behind is how many offsets are not committed.
func (s *simulation) behind() (n int64) {
	for p := range 3 {
		n += s.kafka.logs[part(p)].next - s.kafka.at(part(p))
	}
	return n
}

// look notes what the workers show.
func (s *simulation) look() {
	for _, l := range s.lives {
		if l.stalled() {
			s.reach("window full", 1)
		}
	}
}

// judge looks at the promises that hold in the end.
func (s *simulation) judge() {
	for _, promise := range slices.Concat(s.kafka.broken, s.plat.broken) {
		s.t.Error(promise)
	}
	if n := s.behind(); n != 0 {
		s.t.Errorf("%d offsets are not committed", n)
	}
	took := map[string]int{}
	offsets, last := map[string]int64{}, map[string]int64{}
	for _, l := range s.kafka.logs {
		for i := range l.records {
			offsets[idOf(&l.records[i])] = l.records[i].Offset
		}
	}
	for _, c := range s.plat.calls {
		if c.reply.Class != top.ClassOK {
			continue
		}
		took[c.id]++
		if took[c.id] > 1 {
			s.reach("accepted again after a crash", 1)
			if c.method == createMethod || took[c.id] > 1+s.crashes {
				s.t.Errorf("%s was accepted %d times, with %d crashes and stalls", c.id, took[c.id], s.crashes)
			}
			continue
		}
		lane := fmt.Sprint(c.account, c.method, c.key)
		if before, is := last[lane]; is && offsets[c.id] < before {
			s.t.Errorf("%s of key %s was accepted after a later event of its key", c.id, c.key)
		}
		last[lane] = max(last[lane], offsets[c.id])
	}
	given := map[string]event.Reason{}
	for _, l := range s.letters.list() {
		given[idOf(l.Record)] = l.Reason
		switch l.Reason {
		case event.ReasonOutcomeUnknown:
			s.reach("outcome unknown", 1)
		case event.ReasonRetriesExhausted:
			s.reach("retries exhausted", 1)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.ids)) {
		reason, lettered := given[id]
		switch {
		case took[id] == 0 && !lettered:
			s.t.Errorf("%s is lost", id)
		case took[id] > 0 && lettered && reason != event.ReasonOutcomeUnknown && s.crashes == 0:
			s.t.Errorf("%s was accepted, and given up as %s", id, reason)
		}
	}
	if s.letters.tries > len(s.letters.list()) {
		s.reach("letter written again", 1)
	}
	if s.t.Failed() {
		s.t.Logf("replay it with: go test ./internal/consumer -run Simulation -seed %d", s.seed)
		s.t.Log(strings.Join(s.plat.story(), "\n"))
	}
}
