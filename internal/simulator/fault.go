package simulator

import (
	"encoding/json"
	"fmt"
	"regexp"
	"time"
)

// Fault makes the simulator misbehave for the calls that it matches (contract section 11).
//
// A fault acts where the real thing would: a status, a delay, a cut before the effect and garbage html or empty before
// any check, like a proxy in front; a code and a ban after sign and permission; business fields, a cut after the effect
// and garbage truncated or endless only for calls that pass every check. Of several faults that apply at one place the
// first one wins; a delay adds to whatever follows.
type Fault struct {
	Match Match
	// Times bounds how often the fault acts; for a ban, how often it begins. 0 = without end, but 1 for a ban and for a
	// match by Nth alone.
	Times  int
	Action Action
}

// Match selects calls; the zero Match selects all. Only calls that all other members select are counted for Nth and
// Every.
type Match struct {
	// Method is a method of the catalogue.
	Method string
	// Key is the ordering key of the event: schemas.Checked.Key, or for a key of several parts one of the parts.
	Key string
	// AppKey is the caller's app key.
	AppKey string
	// Nth is the first call that is hit, counted from 1.
	Nth int
	// Every hits each Every-th call, from the Nth on where that is set.
	Every int
}

// Action is what happens. Exactly one kind of it must be set.
type Action struct {
	// Code is a platform error, with texts that may be empty; an empty Msg is replaced by the platform's own.
	Code                 int
	SubCode, Msg, SubMsg string

	// BanSeconds is a ban in the platform's words, code 7: every call of the scope is refused for so many seconds from
	// the first hit on.
	BanSeconds int
	// Scope of the ban: the method over all app keys, the app key, or (default) the two together.
	Scope Scope

	// Status is an HTTP status with Body as it is.
	Status int
	Body   string

	// Delay makes the reply late; the effect is not delayed.
	Delay time.Duration

	// Cut closes the connection without a reply, before or after the effect.
	Cut Cut

	// Garbage replies with what is no reply.
	Garbage Garbage

	// Business sets fields of the result, where the success field is. nil removes a field. A success field that is
	// not true keeps the effect from happening.
	Business map[string]any
}

// Scope is what a ban concerns.
type Scope string

// The scopes of a ban.
const (
	ScopeAPI    Scope = "api"
	ScopeApp    Scope = "app"
	ScopeAppAPI Scope = "app-api"
)

// Cut is when a connection is cut.
type Cut string

// The two cuts.
const (
	CutBefore Cut = "before"
	CutAfter  Cut = "after"
)

// Garbage is a kind of reply that is none.
type Garbage string

// The kinds of garbage.
const (
	// GarbageHTML and GarbageEmpty come from in front of the platform: no effect.
	GarbageHTML  Garbage = "html"
	GarbageEmpty Garbage = "empty"
	// GarbageTruncated and GarbageEndless are a real reply that breaks off or never ends: the effect has happened.
	GarbageTruncated Garbage = "truncated"
	GarbageEndless   Garbage = "endless"
)

// Bounds of a fault.
const (
	maxBanSeconds = 24 * 60 * 60
	maxDelay      = time.Hour
)

// place is where on a call's way a fault acts.
type place uint8

const (
	placeFront   place = iota // before any check
	placeLimits               // after sign and permission
	placeBackEnd              // after all checks
)

func (a *Action) place() place {
	switch {
	case a.Code != 0, a.BanSeconds != 0:
		return placeLimits
	case a.Business != nil, a.Cut == CutAfter, a.Garbage == GarbageTruncated, a.Garbage == GarbageEndless:
		return placeBackEnd
	}
	return placeFront
}

// faultError says what is wrong with a fault, and where, as a JSON Pointer into the fault.
type faultError struct{ pointer, message string }

func (e *faultError) Error() string { return e.pointer + ": " + e.message }

func wrong(pointer, format string, args ...any) error {
	return &faultError{pointer, fmt.Sprintf(format, args...)}
}

// check validates the values of a fault, and puts its business fields into the form of a reply; methods are the known
// ones.
func (f *Fault) check(methods map[string]*api) error {
	if f.Match.Method != "" && methods[f.Match.Method] == nil {
		return wrong("/match/method", "%q is no method of the catalogue", f.Match.Method)
	}
	if f.Match.Nth < 0 {
		return wrong("/match/nth", "must be 1 or more")
	}
	if f.Match.Every < 0 {
		return wrong("/match/every", "must be 1 or more")
	}
	if f.Times < 0 {
		return wrong("/times", "must be 1 or more")
	}
	return f.Action.check()
}

func (a *Action) check() error {
	kinds := 0
	for _, set := range []bool{
		a.Code != 0, a.BanSeconds != 0, a.Status != 0, a.Delay != 0, a.Cut != "", a.Garbage != "", a.Business != nil,
	} {
		if set {
			kinds++
		}
	}
	const choice = "code, ban_seconds, status, delay, cut, garbage, business"
	switch {
	case kinds == 0:
		return wrong("/action", "is none: set one of %s", choice)
	case kinds > 1:
		return wrong("/action", "is more than one: set only one of %s", choice)
	case a.Code == 0 && (a.SubCode != "" || a.Msg != "" || a.SubMsg != ""):
		return wrong("/action", "sub_code, msg and sub_msg go with code")
	case a.Code < 0:
		return wrong("/action/code", "must be 1 or more")
	case a.BanSeconds == 0 && a.Scope != "":
		return wrong("/action/scope", "goes with ban_seconds")
	case a.BanSeconds < 0 || a.BanSeconds > maxBanSeconds:
		return wrong("/action/ban_seconds", "must be from 1 to %d", maxBanSeconds)
	case a.Status == 0 && a.Body != "":
		return wrong("/action/body", "goes with status")
	case a.Status != 0 && (a.Status < 200 || a.Status > 599):
		return wrong("/action/status", "must be from 200 to 599")
	case a.Delay < 0 || a.Delay > maxDelay:
		return wrong("/action/delay", "must be more than 0s and at most 1h")
	}
	switch a.Scope {
	case "", ScopeAPI, ScopeApp, ScopeAppAPI:
	default:
		return wrong("/action/scope", "%q is none of api, app, app-api", a.Scope)
	}
	switch a.Cut {
	case "", CutBefore, CutAfter:
	default:
		return wrong("/action/cut", "%q is none of before, after", a.Cut)
	}
	switch a.Garbage {
	case "", GarbageHTML, GarbageEmpty, GarbageTruncated, GarbageEndless:
	default:
		return wrong("/action/garbage", "%q is none of html, empty, truncated, endless", a.Garbage)
	}
	return a.checkBusiness()
}

// elementName is a name that stands in JSON and in XML alike.
var elementName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// checkBusiness turns the fields into the values that replies are made of, and checks their names.
func (a *Action) checkBusiness() error {
	if a.Business == nil {
		return nil
	}
	text, err := json.Marshal(a.Business)
	if err != nil {
		return wrong("/action/business", "cannot be written as JSON: %v", err)
	}
	a.Business, _ = anyValue(text).(map[string]any)
	if name, bad := badName(a.Business); bad {
		return wrong("/action/business", "the name %q cannot stand in XML", name)
	}
	return nil
}

// badName finds a name at any depth that is no element name.
func badName(value any) (name string, found bool) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if !elementName.MatchString(name) {
				return name, true
			}
			if name, found := badName(member); found {
				return name, true
			}
		}
	case []any:
		for _, item := range v {
			if name, found := badName(item); found {
				return name, true
			}
		}
	}
	return "", false
}
