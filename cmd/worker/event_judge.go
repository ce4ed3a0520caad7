package main

import (
	"time"

	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/schemas"
)

// eventJudge says what the worker would find wrong with an event, as far as that shows before it is in Kafka. publish and
// schemas validate have one judge, so that they never differ. It is safe for concurrent use.
type eventJudge struct {
	cfg     *config.Config
	known   *schemas.Catalogue
	decoder event.Decoder

	// arrival looks at what depends on where and when the event arrives, too: the account, where the configuration has
	// any, and the expiry.
	arrival bool
}

func newEventJudge(cfg *config.Config, known *schemas.Catalogue) *eventJudge {
	return &eventJudge{cfg: cfg, known: known, decoder: event.Decoder{MaxBytes: int(cfg.Consumer.MaxEventBytes)}}
}

// judge checks a record in the order of the worker: size, envelope, type, account, expiry, data. The key is the ordering
// key of the event, where that was found.
func (j *eventJudge) judge(record *event.Record) (e event.Event, key string, problem *lineProblem) {
	e, defect := j.decoder.Decode(record)
	if defect == nil {
		key, defect = j.find(&e)
	}
	if defect != nil {
		problem = &lineProblem{ID: e.ID, Type: e.Type, Reason: string(defect.Reason), Pointer: defect.Pointer, Message: defect.Message}
	}
	return e, key, problem
}

// find finds the key and the first defect of an event whose envelope was read.
func (j *eventJudge) find(e *event.Event) (key string, defect *event.Defect) {
	t, ok := j.known.Type(e.Type)
	if !ok {
		return "", &event.Defect{Reason: event.ReasonUnknownType, Message: "the type is not in the catalogue: see `worker schemas list`"}
	}
	if j.arrival {
		if defect := j.arrives(e); defect != nil {
			return "", defect
		}
	}
	if e.DataDefect != nil {
		return "", e.DataDefect
	}
	checked, bad := t.Check(e.Data, schemas.UnknownFields(j.cfg.Type(e.Type).UnknownFields))
	if bad != nil {
		return "", &event.Defect{Reason: event.ReasonInvalidData, Pointer: bad.Pointer, Message: bad.Message}
	}
	return checked.Key, nil
}

// arrives says what the worker would refuse of the event if it had it now.
func (j *eventJudge) arrives(e *event.Event) *event.Defect {
	if accounts := j.cfg.Top.Accounts; len(accounts) > 0 {
		if _, ok := accounts[e.Account]; !ok {
			return &event.Defect{Reason: event.ReasonUnknownAccount,
				Message: "topaccount, which is default where it is absent, names no account of top.accounts"}
		}
	}
	if !e.Expiry.IsZero() && !time.Now().Before(e.Expiry) {
		return &event.Defect{Reason: event.ReasonExpired, Message: "its expirytime is past"}
	}
	return nil
}
