package retry

// ramp is the slow start of a place after a pause or an open breaker: one call in flight, then two, four … until there
// is no limit. It doubles when as many calls as it allows have had a conclusive reply. Only calls that were admitted
// since it began count, so that calls that hang from before do not stop it.
type ramp struct {
	limit    int // 0: not limited
	inFlight int
	passed   int    // conclusive replies since the last doubling
	epoch    uint64 // of its beginning
}

// ramp starts or restarts the slow start of a place.
func (g *Gate) ramp(pl *place) {
	g.epoch++
	pl.ramp = ramp{limit: 1, epoch: g.epoch}
}

func (r *ramp) full() bool { return r.limit > 0 && r.inFlight >= r.limit }

func (r *ramp) admit() {
	if r.limit > 0 {
		r.inFlight++
	}
}

// done takes a call's end in. most is the number of calls at which a limit means nothing any more.
func (r *ramp) done(epoch uint64, conclusive bool, most int) {
	if r.limit == 0 || epoch < r.epoch {
		return
	}
	r.inFlight--
	if !conclusive {
		return
	}
	r.passed++
	if r.passed >= r.limit {
		r.passed = 0
		r.limit *= 2
	}
	if r.limit >= most {
		r.limit = 0
	}
}

func (sc *scopeState) passRamps() *Refusal {
	for _, pl := range sc.places {
		if pl.ramp.full() {
			return refusedRamp
		}
	}
	return nil
}
