package top

import (
	"strconv"
	"strings"
)

// verdict is what a code or a sub_code means.
type verdict struct {
	class      Class
	scope      Scope
	immediate  bool
	retryOnce  bool
	nothingRan bool
}

// rule is one row of the table: a code, or a pattern of sub_codes in which * stands for any text. A sub_code that names
// a parameter after a colon is matched with and without it.
type rule struct {
	code int    // 0 for a rule about sub_codes
	sub  string // lower case
	// world marks sub_codes that speak of the world and not of the event: they decide before the code does.
	world      bool
	class      Class
	scope      Scope // ScopeNone with misconfigured: the scope of the code beside it
	immediate  bool
	retryOnce  bool
	nothingRan bool // the code proves that the call did not run
}

// rules is everything that is known of the platform's answers. Of several sub_code rules the first one holds. Names are
// those of the platform's lists; the classes are the contract's.
var rules = []rule{
	// Sub_codes that speak of the world, under any code.
	{sub: "accesscontrol.limited-by-app-access-count", world: true, class: ClassThrottled, scope: ScopeAppKey}, // a day
	{sub: "accesscontrol.limited-by-api-access-count", world: true, class: ClassThrottled, scope: ScopeMethod}, // over all apps
	{sub: "accesscontrol.limited-by-app-api-access-count", world: true, class: ClassThrottled, scope: ScopeAppKeyMethod},
	{sub: "accesscontrol.limited-by-dynamic-access-count", world: true, class: ClassThrottled, scope: ScopeAppKeyMethod},
	{sub: "accesscontrol.*", world: true, class: ClassThrottled, scope: ScopeAppKeyMethod},
	{sub: "isv.permission*", world: true, class: ClassMisconfigured}, // -api-package-*, -ip-whitelist-limit, -api-widget-only-limit
	{sub: "isv.invalid-permission", world: true, class: ClassMisconfigured},
	{sub: "isv.access-limited*", world: true, class: ClassMisconfigured},
	{sub: "isv.appkey*", world: true, class: ClassMisconfigured},                                  // "isv.appkey not exists"
	{sub: "isv.*timestamp*", world: true, class: ClassMisconfigured},                              // -limit-error, replayattack-timestamp-invalid-error
	{sub: "sign-check-failure", world: true, class: ClassMisconfigured, scope: ScopeAppKeyMethod}, // a Qimen provider refuses the sign
	{sub: "invalid-sessionkey", world: true, class: ClassSession, scope: ScopeAccount, immediate: true},
	{sub: "session-expired", world: true, class: ClassSession, scope: ScopeAccount, immediate: true},
	{sub: "session-is-blank", world: true, class: ClassSession, scope: ScopeAccount, immediate: true},
	{sub: "sessionkey-not-generated-by-server", world: true, class: ClassSession, scope: ScopeAccount, immediate: true},

	// Codes below 100 but 15 and 50: the platform's own checks.
	{code: 3, class: ClassMisconfigured, scope: ScopeAccountMethod},                         // Upload Fail: no call of ours uploads
	{code: 4, class: ClassThrottled, scope: ScopeAppKeyMethod, nothingRan: true},            // User Call Limited
	{code: 5, class: ClassThrottled, scope: ScopeAppKeyMethod, nothingRan: true},            // Session Call Limited
	{code: 6, class: ClassThrottled, scope: ScopeAppKeyMethod, nothingRan: true},            // Partner Call Limited
	{code: 7, class: ClassThrottled, scope: ScopeAppKeyMethod, nothingRan: true},            // App Call Limited
	{code: 8, class: ClassThrottled, scope: ScopeAppKeyMethod, nothingRan: true},            // App Call Exceeds Limited Frequency
	{code: 9, class: ClassMisconfigured, scope: ScopeAccountMethod, nothingRan: true},       // Http Action Not Allowed
	{code: 10, class: ClassTransient},                                                       // Service Currently Unavailable
	{code: 11, class: ClassMisconfigured, scope: ScopeAppKeyMethod, nothingRan: true},       // Insufficient ISV Permissions
	{code: 12, class: ClassSession, scope: ScopeAccountMethod, nothingRan: true},            // Insufficient User Permissions
	{code: 13, class: ClassMisconfigured, scope: ScopeAccountMethod, nothingRan: true},      // Insufficient Partner Permissions
	{code: 21, class: ClassMisconfigured, scope: ScopeAccountMethod, nothingRan: true},      // Missing Method
	{code: 22, class: ClassMisconfigured, scope: ScopeAppKeyMethod, nothingRan: true},       // Invalid Method
	{code: 23, class: ClassMisconfigured, scope: ScopeAccountMethod, nothingRan: true},      // Invalid Format
	{code: 24, class: ClassMisconfigured, scope: ScopeAccountMethod, nothingRan: true},      // Missing Signature
	{code: 25, class: ClassMisconfigured, scope: ScopeAppKey, nothingRan: true},             // Invalid Signature
	{code: 26, class: ClassSession, scope: ScopeAccount, immediate: true, nothingRan: true}, // Missing Session
	{code: 27, class: ClassSession, scope: ScopeAccount, immediate: true, nothingRan: true}, // Invalid Session
	{code: 28, class: ClassMisconfigured, scope: ScopeAppKey, nothingRan: true},             // Missing App Key
	{code: 29, class: ClassMisconfigured, scope: ScopeAppKey, nothingRan: true},             // Invalid App Key
	{code: 30, class: ClassMisconfigured, scope: ScopeAppKey, nothingRan: true},             // Missing Timestamp
	{code: 31, class: ClassMisconfigured, scope: ScopeAppKey, nothingRan: true},             // Invalid Timestamp
	{code: 32, class: ClassMisconfigured, scope: ScopeAppKey, nothingRan: true},             // Missing Version
	{code: 33, class: ClassMisconfigured, scope: ScopeAppKey, nothingRan: true},             // Invalid Version
	{code: 34, class: ClassMisconfigured, scope: ScopeAppKey, nothingRan: true},             // Unsupported Version
	{code: 40, class: ClassRejected},                                                        // Missing Required Arguments
	{code: 41, class: ClassRejected},                                                        // Invalid Arguments
	{code: 42, class: ClassSession, scope: ScopeAccountMethod, nothingRan: true},            // Insufficient session permissions
	{code: 43, class: ClassRejected},                                                        // Parameter Error
	{code: 44, class: ClassSession, scope: ScopeAccount, immediate: true, nothingRan: true}, // Invalid access token
	{code: 47, class: ClassRejected},                                                        // Invalid encoding
	{code: 53, class: ClassSession, scope: ScopeAccountMethod, nothingRan: true},            // Insufficient security level
	{code: 88, class: ClassTransient},                                                       // auth exception, time-outs

	// Sub_codes of what stands behind the platform: codes 15, 50 and from 100 on.
	{sub: "isp.null-pointer-exception", class: ClassTransient, retryOnce: true},
	{sub: "isp.top-parse-error", class: ClassTransient, retryOnce: true},
	{sub: "isp.top-mapping-parse-error", class: ClassTransient, retryOnce: true},
	{sub: "isp.*-service-unavailable", class: ClassTransient}, // top-remote-service-unavailable too
	{sub: "isp.remote-service-error", class: ClassTransient},
	{sub: "isp.remote-service-timeout", class: ClassTransient},
	{sub: "isp.remote-connection-error", class: ClassTransient},
	{sub: "isp.top-remote-connection-timeout*", class: ClassTransient}, // also …-tmall
	{sub: "isp.top-remote-connection-error", class: ClassTransient},
	{sub: "isp.top-remote-unknown-error", class: ClassTransient},
	{sub: "isp.unknown-error", class: ClassTransient},
	{sub: "isp.system-busy", class: ClassTransient},
	{sub: "isp.call-limited", class: ClassTransient},
	{sub: "isp.service-error", class: ClassTransient},
	{sub: "isp.invalid-parameters", class: ClassTransient}, // advised against, but only the three above are exceptions
	{sub: "isp.*", class: ClassTransient},
	{sub: "isv.missing-parameter", class: ClassRejected},
	{sub: "isv.invalid-parameter", class: ClassRejected},
	{sub: "isv.parameters-mismatch", class: ClassRejected},
	{sub: "isv.*-not-exist", class: ClassRejected},
	{sub: "isv.*-service-error", class: ClassRejected},
	{sub: "isv.trade-service-rejection", class: ClassRejected},
	{sub: "isv.request-replay-error", class: ClassRejected},
	{sub: "isv.*", class: ClassRejected},
}

// Codes that the table does not name.
var (
	unknownBelow100 = verdict{class: ClassMisconfigured, scope: ScopeAccountMethod}
	unknownFrom100  = verdict{class: ClassRejected}
	backEndFailed   = verdict{class: ClassTransient} // 15 and 50, when the sub_code says nothing more
)

// judge decides what a refusal of the platform means: sub_codes that speak of the world; the code, unless it is 15, 50
// or ≥ 100; the sub_code; what is known of the code at least. known is false where code is text that no rule names.
func judge(code, subCode string) (v verdict, known bool) {
	number, numeric := codeNumber(code)
	if !numeric && subCode == "" {
		subCode = code // the Qimen gateway puts names into code
	}
	sub := strings.ToLower(subCode)
	byCode := ruleOfCode(number)
	if r := ruleOfSub(sub, true); r != nil {
		v := r.verdict()
		v.nothingRan = true // the platform's own checks, before it passes a call on
		if v.class == ClassMisconfigured && v.scope == ScopeNone {
			v.scope = ScopeAccountMethod
			if byCode != nil && byCode.class == ClassMisconfigured {
				v.scope = byCode.scope
			}
		}
		return v, true
	}
	if byCode != nil {
		return byCode.verdict(), true
	}
	backEnd := number == 15 || number == 50
	if numeric && number < 100 && !backEnd {
		return unknownBelow100, true
	}
	if r := ruleOfSub(sub, false); r != nil {
		return r.verdict(), true
	}
	switch {
	case backEnd:
		return backEndFailed, true
	case numeric:
		return unknownFrom100, true
	}
	return verdict{}, false
}

func (r *rule) verdict() verdict {
	return verdict{class: r.class, scope: r.scope, immediate: r.immediate, retryOnce: r.retryOnce, nothingRan: r.nothingRan}
}

// codeNumber reads a code: a JSON number in any notation, or its text. Numbers beyond all codes count as very large.
func codeNumber(code string) (number int, ok bool) {
	const beyond = 1_000_000
	if strings.Trim(code, "0123456789+-.eE") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(code, 64)
	switch {
	case err != nil && f == 0: // no number; a number out of range is ±Inf
		return 0, false
	case f > beyond:
		return beyond, true
	case f < 0:
		return -1, true
	}
	return int(f), true
}

func ruleOfCode(number int) *rule {
	for i := range rules {
		if rules[i].code == number && number != 0 {
			return &rules[i]
		}
	}
	return nil
}

func ruleOfSub(sub string, world bool) *rule {
	if sub == "" {
		return nil
	}
	family, _, _ := strings.Cut(sub, ":")
	for i := range rules {
		r := &rules[i]
		if r.code == 0 && r.world == world && (matches(r.sub, sub) || matches(r.sub, family)) {
			return r
		}
	}
	return nil
}

// matches compares text with a pattern in which * stands for any text, none too.
func matches(pattern, text string) bool {
	before, after, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	if !strings.HasPrefix(text, before) {
		return false
	}
	text = text[len(before):]
	for {
		middle, rest, more := strings.Cut(after, "*")
		if !more {
			return strings.HasSuffix(text, after)
		}
		i := strings.Index(text, middle)
		if i < 0 {
			return false
		}
		text, after = text[i+len(middle):], rest
	}
}
