package retry

import "time"

// Scope is where a call belongs: the account that signs it, the app key of that account, and the method.
type Scope struct {
	Account, AppKey, Method string
}

// Level says how much of a scope a reply concerns. The zero Level is the smallest that fits: app key and method for a
// ban, account and method for the rest.
type Level uint8

const (
	LevelAppKey        Level = iota + 1
	LevelMethod              // over all app keys
	LevelAppKeyMethod        //
	LevelAccount             //
	LevelAccountMethod       //
	levels             = iota
)

var levelNames = [levels + 1]string{"", "app_key", "method", "app_key_method", "account", "account_method"}

// String is the level's name in logs, metrics and snapshots.
func (l Level) String() string {
	if int(l) >= len(levelNames) {
		return ""
	}
	return levelNames[l]
}

// MarshalText writes the level's name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads a level's name; an unknown one becomes the zero Level, which Restore passes over.
func (l *Level) UnmarshalText(text []byte) error {
	*l = 0
	for i, name := range levelNames {
		if name == string(text) {
			*l = Level(i)
		}
	}
	return nil
}

// or is the level, or fallback where it is zero.
func (l Level) or(fallback Level) Level {
	if l == 0 || int(l) >= len(levelNames) {
		return fallback
	}
	return l
}

// cut leaves of a scope the parts that the level is about.
func (l Level) cut(s Scope) Scope {
	switch l {
	case LevelAppKey:
		return Scope{AppKey: s.AppKey}
	case LevelMethod:
		return Scope{Method: s.Method}
	case LevelAppKeyMethod:
		return Scope{AppKey: s.AppKey, Method: s.Method}
	case LevelAccount:
		return Scope{Account: s.Account}
	default:
		return Scope{Account: s.Account, Method: s.Method}
	}
}

// lane is one key of one scope. It has one call in flight at a time, but for the same key in two partitions.
type lane struct {
	scope *scopeState
	key   string
}

// scopeState is what the gate knows of one scope. There are at most accounts × methods of them.
type scopeState struct {
	Scope
	places   [levels]*place // by level − 1
	method   *method
	bucket   *bucket // shared by the accounts of one app key
	fuse     fuse
	witness  witness
	clock    clock
	secretAt time.Time // when the account's secret or session changed last
}

func (sc *scopeState) place(l Level) *place { return sc.places[l-1] }

// held says whether a pause or a breaker that is not closed keeps the scope from being called.
func (sc *scopeState) held() bool {
	if !sc.method.breaker.closed() {
		return true
	}
	for _, pl := range sc.places {
		for i := range pl.pauses {
			if pl.pauses[i].on {
				return true
			}
		}
	}
	return false
}

// place is one scope cut down to a level: what a pause holds and what a ramp limits.
type place struct {
	level   Level
	scope   Scope // only the parts of the level, but for account (see label)
	account string
	pauses  [pauseKinds]pause
	ramp    ramp
	scopes  []*scopeState // that lie in it
	live    bool          // a pause is on or remembers refused keys
	listed  bool          // is in Gate.live
}

// rehold starts and stops the clocks of the place's scopes after a pause or the breaker has moved.
func (pl *place) rehold(at time.Time) {
	for _, sc := range pl.scopes {
		sc.clock.hold(at, sc.held())
	}
}

type placeKey struct {
	level Level
	scope Scope
}

// scope returns the state of a scope and makes it where the scope is new.
func (g *Gate) scope(s Scope, now time.Time) *scopeState {
	if sc := g.scopes[s]; sc != nil {
		return sc
	}
	sc := &scopeState{Scope: s, method: g.method(s.Method), bucket: g.bucket(s.AppKey, s.Method)}
	for i := range sc.places {
		pl := g.place(Level(i+1), s)
		pl.scopes = append(pl.scopes, sc)
		sc.places[i] = pl
	}
	sc.clock = clock{held: sc.held(), from: now}
	g.scopes[s] = sc
	return sc
}

// place returns the place of a level in a scope and makes it where it is new. A place of an app key carries the name
// of the account that used the app key first: operators know accounts.
func (g *Gate) place(l Level, s Scope) *place {
	key := placeKey{level: l, scope: l.cut(s)}
	if pl := g.places[key]; pl != nil {
		return pl
	}
	pl := &place{level: l, scope: key.scope}
	if l != LevelMethod {
		pl.account = s.Account
	}
	for i := range pl.pauses {
		pl.pauses[i] = pause{place: pl, kind: pauseKind(i)}
	}
	g.places[key] = pl
	return pl
}
