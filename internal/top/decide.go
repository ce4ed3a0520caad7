package top

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/toprelay/worker/schemas"
)

var errUnknownStatus = errors.New("the gateway answered with an HTTP status of no meaning here")

// decide says what an answer of the gateway means, in the contract's order: the HTTP status first, then the body. x has
// a status. transient and duplicate are the configured codes beside the schema's.
func (r *Reply) decide(t *schemas.Type, x *exchange, o *MethodOptions, now time.Time) {
	r.Status = x.status
	var body reading
	err := x.err
	if err == nil {
		body, err = x.decoder.read(t, &x.body)
	}
	r.take(body)

	switch {
	case x.status >= 500:
		r.unanswered(t, fmt.Errorf("HTTP status %d", x.status))
		return
	case x.status == http.StatusTooManyRequests:
		r.Class, r.Scope, r.NothingRan = ClassThrottled, ScopeAppKeyMethod, true
		r.Advice = "the gateway limits the calls: " + passes
		r.Wait = retryAfterWait(x.retryAfter, now)
		if v, known := judge(body.code, body.subCode); known && body.kind == kindError && v.class == ClassThrottled {
			r.throttled(v, body, now)
		}
		return
	case x.status >= 400 && x.err != nil:
		r.unanswered(t, x.err)
		return
	case x.status >= 300 && x.status < 400, x.status >= 400 && body.kind != kindError:
		r.Class, r.Scope, r.Advice = ClassMisconfigured, ScopeAccountMethod, adviceStatus
		// A redirect sends the same call elsewhere; but 303 points to the result of one that ran, and the page of a proxy or
		// a firewall is no proof.
		r.NothingRan = x.status < 400 && x.status != http.StatusSeeOther
		r.Err = fmt.Errorf("HTTP status %d", x.status)
		r.unproven(t)
		return
	case x.status < 200:
		r.unanswered(t, errUnknownStatus)
		return
	}

	switch body.kind {
	case kindUnknown:
		r.unanswered(t, err)
	case kindError:
		r.refused(t, body, o, now)
	case kindBusiness:
		if body.success {
			r.Class = ClassOK
			return
		}
		r.failed(t, body.code, o)
	}
}

// take copies what the body says.
func (r *Reply) take(body reading) {
	r.Code, r.SubCode, r.Message, r.RequestID = body.code, body.subCode, body.message, body.requestID
	r.Fields = body.fields
}

// refused is an error of the platform.
func (r *Reply) refused(t *schemas.Type, body reading, o *MethodOptions, now time.Time) {
	v, known := judge(body.code, body.subCode)
	if !known {
		// Text in place of a code. Through Qimen that is how a provider says that its business refuses.
		if t.Encoding == schemas.EncodingQimenXML {
			r.failed(t, body.code, o)
			return
		}
		v = unknownBelow100
	}
	r.NothingRan = v.nothingRan
	switch v.class {
	case ClassThrottled:
		r.throttled(v, body, now)
	case ClassTransient:
		r.unanswered(t, nil)
		r.RetryOnce = v.retryOnce && r.Class == ClassTransient
	default:
		r.Class, r.Scope, r.Immediate, r.Advice = v.class, v.scope, v.immediate, v.advice
		r.unproven(t)
	}
}

// unproven makes trouble of the world ambiguous where the call must not be repeated and nothing proves that it did not run
// (contract section 5, Not repeatable).
func (r *Reply) unproven(t *schemas.Type) {
	if r.Class != ClassRejected && !t.Repeatable && !r.NothingRan {
		r.Class, r.Scope, r.Immediate = ClassAmbiguous, ScopeNone, false
	}
}

func (r *Reply) throttled(v verdict, body reading, now time.Time) {
	r.Class, r.Scope, r.Advice = ClassThrottled, v.scope, v.advice
	r.Wait = banWait(body.subCode, body.message, now)
}

// failed is a success field that says false.
func (r *Reply) failed(t *schemas.Type, code string, o *MethodOptions) {
	switch {
	case code != "" && (slices.Contains(t.DuplicateCodes, code) || slices.Contains(o.DuplicateCodes, code)):
		r.Class, r.Duplicate = ClassOK, true
	case code != "" && (slices.Contains(t.TransientCodes, code) || slices.Contains(o.TransientCodes, code)):
		r.unanswered(t, nil)
		r.Definite = true
	case code == signCheckFailure:
		// Protocol section 7.4: a provider's words for a bad sign. A wrong secret is no fault of the event.
		v := ruleOfSub(signCheckFailure, true).verdict()
		r.Class, r.Scope, r.Advice = v.class, v.scope, v.advice
	default:
		r.Class = ClassRejected
	}
}

// unanswered is a call without a definite answer: it is tried again where that does no harm. err says why, nil where
// the platform's own code does.
func (r *Reply) unanswered(t *schemas.Type, err error) {
	r.Err = err
	r.Class = ClassAmbiguous
	if t.Repeatable || r.NothingRan {
		r.Class = ClassTransient
	}
}
