package retry

import (
	"cmp"
	"log/slog"
	"slices"
	"time"
)

// fuse counts the different keys of one method and account that were rejected in a row. When it blows, the publisher has
// most likely released something broken, and the rest of the topic must not follow into the dead letters.
type fuse struct {
	keys []string // at most Options.FuseKeys
}

func (f *fuse) has(key string) bool { return slices.Contains(f.keys, key) }

// stormAdvice is for rejections of which nothing else is known.
const stormAdvice = "find out what the dead letters of the last minutes have in common"

// reject takes a rejection in and says whether its event should wait instead of being given up: the storm was already on
// when the reply came, and the call was not its probe.
func (g *Gate) reject(p *Permit, r Report, now time.Time) (hold bool) {
	f := &p.scope.fuse
	ps := &p.scope.place(LevelAccountMethod).pauses[pauseStorm]
	if ps.on {
		return p.probes&pauseBit(int(LevelAccountMethod-1), int(pauseStorm)) == 0
	}
	if !f.has(p.key) {
		f.keys = append(f.keys, p.key)
	}
	if len(f.keys) >= g.options.FuseKeys {
		why := r.cause()
		why.advice = cmp.Or(why.advice, stormAdvice)
		g.begin(ps, now, why)
		g.note(slog.LevelWarn, "paused", ps, slog.Int("keys_rejected", len(f.keys)), slog.Time("next_probe", ps.next))
	}
	return false
}

// accept takes a success in: not all is rejected.
func (g *Gate) accept(p *Permit, now time.Time) {
	p.scope.fuse.keys = nil
	if ps := &p.scope.place(LevelAccountMethod).pauses[pauseStorm]; ps.on {
		g.lift(ps, now, "an event was accepted")
	}
}
