package simulator

import (
	"errors"
	"reflect"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// faultJSON is a fault as PUT and GET /_sim/faults have it. Pointers tell a zero from what was left out.
type faultJSON struct {
	Match  *matchJSON  `json:"match,omitzero"`
	Times  *int        `json:"times,omitzero"`
	Action *actionJSON `json:"action,omitzero"`
}

type matchJSON struct {
	Method *string `json:"method,omitzero"`
	Key    *string `json:"key,omitzero"`
	AppKey *string `json:"app_key,omitzero"`
	Nth    *int    `json:"nth,omitzero"`
	Every  *int    `json:"every,omitzero"`
}

type actionJSON struct {
	Code       *int           `json:"code,omitzero"`
	SubCode    *string        `json:"sub_code,omitzero"`
	Msg        *string        `json:"msg,omitzero"`
	SubMsg     *string        `json:"sub_msg,omitzero"`
	BanSeconds *int           `json:"ban_seconds,omitzero"`
	Scope      *Scope         `json:"scope,omitzero"`
	Status     *int           `json:"status,omitzero"`
	Body       *string        `json:"body,omitzero"`
	Delay      *string        `json:"delay,omitzero"`
	Cut        *Cut           `json:"cut,omitzero"`
	Garbage    *Garbage       `json:"garbage,omitzero"`
	Business   jsontext.Value `json:"business,omitzero"`
}

// parseFaults reads the array that PUT /_sim/faults takes. An error is a *faultError with a pointer into the array.
func parseFaults(text []byte, methods map[string]*api) ([]Fault, error) {
	var wire []faultJSON
	if err := json.Unmarshal(text, &wire, json.RejectUnknownMembers(true)); err != nil {
		return nil, explainJSON(err)
	}
	if wire == nil {
		return nil, wrong("", "must be a JSON array of faults")
	}
	faults := make([]Fault, len(wire))
	for i := range wire {
		f, err := wire[i].fault()
		if err == nil {
			err = f.check(methods)
		}
		if err != nil {
			return nil, inFault(i, err)
		}
		faults[i] = f
	}
	return faults, nil
}

// inFault puts the fault's index in front of the pointer.
func inFault(index int, err error) error {
	if bad, ok := errors.AsType[*faultError](err); ok {
		return &faultError{"/" + strconv.Itoa(index) + bad.pointer, bad.message}
	}
	return err
}

// explainJSON says in words what the JSON package found.
func explainJSON(err error) error {
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		pointer := string(semantic.JSONPointer)
		switch {
		case errors.Is(err, json.ErrUnknownName):
			return wrong(pointer, "is no known member")
		case semantic.GoType != nil && semantic.JSONKind != 0:
			return wrong(pointer, "must be %s", kindInWords(semantic.GoType))
		}
		return wrong(pointer, "%v", semantic.Err)
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return wrong(string(syntactic.JSONPointer), "is no JSON: %v at byte %d", syntactic.Err, syntactic.ByteOffset)
	}
	return wrong("", "%v", err)
}

func kindInWords(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return kindInWords(t.Elem())
	case reflect.String:
		return "a string"
	case reflect.Int:
		return "an integer"
	case reflect.Slice:
		return "an array"
	default:
		return "an object"
	}
}

func (w *faultJSON) fault() (Fault, error) {
	var f Fault
	if m := w.Match; m != nil {
		for _, text := range []struct {
			pointer string
			from    *string
			to      *string
		}{{"/match/method", m.Method, &f.Match.Method}, {"/match/key", m.Key, &f.Match.Key}, {"/match/app_key", m.AppKey, &f.Match.AppKey}} {
			if text.from == nil {
				continue
			}
			if *text.to = *text.from; *text.to == "" {
				return f, wrong(text.pointer, "must not be empty; leave it out to match all")
			}
		}
	} else {
		m = &matchJSON{}
		w.Match = m
	}
	if w.Action == nil {
		return f, wrong("/action", "is missing")
	}
	a := w.Action
	for _, number := range []struct {
		pointer string
		from    *int
		to      *int
	}{
		{"/match/nth", w.Match.Nth, &f.Match.Nth}, {"/match/every", w.Match.Every, &f.Match.Every}, {"/times", w.Times, &f.Times},
		{"/action/code", a.Code, &f.Action.Code}, {"/action/ban_seconds", a.BanSeconds, &f.Action.BanSeconds},
		{"/action/status", a.Status, &f.Action.Status},
	} {
		if number.from == nil {
			continue
		}
		if *number.to = *number.from; *number.to < 1 {
			return f, wrong(number.pointer, "must be 1 or more")
		}
	}
	f.Action.SubCode, f.Action.Msg, f.Action.SubMsg, f.Action.Body = value(a.SubCode), value(a.Msg), value(a.SubMsg), value(a.Body)
	f.Action.Scope, f.Action.Cut, f.Action.Garbage = value(a.Scope), value(a.Cut), value(a.Garbage)
	for _, text := range []struct {
		pointer string
		empty   bool
	}{{"scope", a.Scope != nil && *a.Scope == ""}, {"cut", a.Cut != nil && *a.Cut == ""}, {"garbage", a.Garbage != nil && *a.Garbage == ""}} {
		if text.empty {
			return f, wrong("/action/"+text.pointer, "must not be empty")
		}
	}
	if a.Delay != nil {
		delay, err := time.ParseDuration(*a.Delay)
		if err != nil || delay <= 0 {
			return f, wrong("/action/delay", "must be a duration above zero, such as 2s or 300ms")
		}
		f.Action.Delay = delay
	}
	if a.Business != nil {
		fields, isObject := anyValue(a.Business).(map[string]any)
		if !isObject {
			return f, wrong("/action/business", "must be an object")
		}
		f.Action.Business = fields
	}
	return f, nil
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// present is nil for the zero value.
func present[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// wire is the fault as PUT /_sim/faults takes it.
func (f *Fault) wire() faultJSON {
	m, a := &f.Match, &f.Action
	w := faultJSON{
		Match: &matchJSON{present(m.Method), present(m.Key), present(m.AppKey), present(m.Nth), present(m.Every)},
		Times: present(f.Times),
		Action: &actionJSON{
			Code: present(a.Code), SubCode: present(a.SubCode), Msg: present(a.Msg), SubMsg: present(a.SubMsg),
			BanSeconds: present(a.BanSeconds), Scope: present(a.Scope), Status: present(a.Status), Body: present(a.Body),
			Cut: present(a.Cut), Garbage: present(a.Garbage),
		},
	}
	if *w.Match == (matchJSON{}) {
		w.Match = nil
	}
	if a.Delay != 0 {
		w.Action.Delay = present(a.Delay.String())
	}
	if a.Business != nil {
		w.Action.Business = appendJSON(nil, a.Business, true)
	}
	return w
}
