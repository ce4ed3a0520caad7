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
	advice     string
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
	// advice says what is wrong in words of our own, and what to look at. All but transient ones have it: it stands in the
	// log line of a pause.
	advice string
}

// signCheckFailure is what a Qimen provider calls a bad sign, as code or as sub_code.
const signCheckFailure = "sign-check-failure"

// rules is everything that is known of the platform's answers. Of several sub_code rules the first one holds. Names are
// those of the platform's lists; the classes are the contract's.
var rules = []rule{
	// Sub_codes that speak of the world, under any code.
	{sub: "accesscontrol.limited-by-app-access-count", world: true, class: ClassThrottled, scope: ScopeAppKey,
		advice: "the app key's calls of the day are used up until 24:00 GMT+8: reset the count in the platform's console, or set top.rate_limit.per_day"},
	{sub: "accesscontrol.limited-by-api-access-count", world: true, class: ClassThrottled, scope: ScopeMethod,
		advice: "the platform limits the API over all who call it: it passes by itself"},
	{sub: "accesscontrol.limited-by-app-api-access-count", world: true, class: ClassThrottled, scope: ScopeAppKeyMethod,
		advice: "the app key calls the API too often: " + passes},
	{sub: "accesscontrol.limited-by-dynamic-access-count", world: true, class: ClassThrottled, scope: ScopeAppKeyMethod,
		advice: "the platform protects itself: it passes by itself"},
	{sub: "accesscontrol.*", world: true, class: ClassThrottled, scope: ScopeAppKeyMethod,
		advice: "the platform limits the calls: " + passes},
	{sub: "isv.permission*", world: true, class: ClassMisconfigured, // -api-package-*, -ip-whitelist-limit, -api-widget-only-limit
		advice: "the app key may not call the API from here: look at its API permissions and its IP whitelist in the platform's console"},
	{sub: "isv.invalid-permission", world: true, class: ClassMisconfigured,
		advice: "the app key has no permission for the API: apply for it in the platform's console"},
	{sub: "isv.access-limited*", world: true, class: ClassMisconfigured,
		advice: "the platform does not let this address in: look at the app's IP whitelist in the platform's console"},
	{sub: "isv.appkey*", world: true, class: ClassMisconfigured, // "isv.appkey not exists"
		advice: "the platform does not know the app key: check top.accounts.{account}.app_key"},
	{sub: "isv.*timestamp*", world: true, class: ClassMisconfigured, // -limit-error, replayattack-timestamp-invalid-error
		advice: "the platform refuses the time of the call: set this machine's clock (NTP)"},
	{sub: signCheckFailure, world: true, class: ClassMisconfigured, scope: ScopeAppKeyMethod, // a Qimen provider refuses the sign
		advice: "the provider refuses the signature: check top.accounts.{account}.app_secret_file, and target_app_key and customer_id of qimen.outbound"},
	{sub: "invalid-sessionkey", world: true, class: ClassSession, scope: ScopeAccount, immediate: true, advice: "invalid session: " + renewSession},
	{sub: "session-expired", world: true, class: ClassSession, scope: ScopeAccount, immediate: true, advice: "the session has expired: " + renewSession},
	{sub: "session-is-blank", world: true, class: ClassSession, scope: ScopeAccount, immediate: true,
		advice: "missing session: write one to top.accounts.{account}.session_file"},
	{sub: "sessionkey-not-generated-by-server", world: true, class: ClassSession, scope: ScopeAccount, immediate: true,
		advice: "the session is none of the platform's: check top.accounts.{account}.session_file"},

	// Codes below 100 but 15 and 50: the platform's own checks. The advice begins with the platform's name for the code.
	{code: 3, class: ClassMisconfigured, scope: ScopeAccountMethod, advice: "upload fail: no call of the worker uploads anything: check {gateway}"},
	{code: 4, class: ClassThrottled, scope: ScopeAppKeyMethod, nothingRan: true, advice: "user call limited: " + passes},
	{code: 5, class: ClassThrottled, scope: ScopeAppKeyMethod, nothingRan: true, advice: "session call limited: " + passes},
	{code: 6, class: ClassThrottled, scope: ScopeAppKeyMethod, nothingRan: true, advice: "partner call limited: " + passes},
	{code: 7, class: ClassThrottled, scope: ScopeAppKeyMethod, nothingRan: true, advice: "app call limited: " + passes},
	{code: 8, class: ClassThrottled, scope: ScopeAppKeyMethod, nothingRan: true, advice: "app call exceeds limited frequency: " + passes},
	{code: 9, class: ClassMisconfigured, scope: ScopeAccountMethod, nothingRan: true, advice: "HTTP action not allowed: check {gateway}, and what stands between here and the platform: calls are POST"},
	{code: 10, class: ClassTransient}, // Service Currently Unavailable
	{code: 11, class: ClassMisconfigured, scope: ScopeAppKeyMethod, nothingRan: true,
		advice: "insufficient ISV permissions: look at the app key's API permissions and its IP whitelist in the platform's console"},
	{code: 12, class: ClassSession, scope: ScopeAccountMethod, nothingRan: true,
		advice: "insufficient user permissions: let a user who may use the API authorise, and write the session to top.accounts.{account}.session_file"},
	{code: 13, class: ClassMisconfigured, scope: ScopeAccountMethod, nothingRan: true,
		advice: "insufficient partner permissions: look at the app's permissions in the platform's console"},
	{code: 21, class: ClassMisconfigured, scope: ScopeAccountMethod, nothingRan: true, advice: "missing method: " + lostOnTheWay},
	{code: 22, class: ClassMisconfigured, scope: ScopeAppKeyMethod, nothingRan: true,
		advice: "invalid method: see in the platform's console whether the app has the API, and check {gateway}"},
	{code: 23, class: ClassMisconfigured, scope: ScopeAccountMethod, nothingRan: true, advice: "invalid format: " + lostOnTheWay},
	{code: 24, class: ClassMisconfigured, scope: ScopeAccountMethod, nothingRan: true, advice: "missing signature: " + lostOnTheWay},
	{code: 25, class: ClassMisconfigured, scope: ScopeAppKey, nothingRan: true, advice: "invalid signature: check top.accounts.{account}.app_secret_file"},
	{code: 26, class: ClassSession, scope: ScopeAccount, immediate: true, nothingRan: true,
		advice: "missing session: write one to top.accounts.{account}.session_file"},
	{code: 27, class: ClassSession, scope: ScopeAccount, immediate: true, nothingRan: true, advice: "invalid session: " + renewSession},
	{code: 28, class: ClassMisconfigured, scope: ScopeAppKey, nothingRan: true, advice: "missing app key: " + lostOnTheWay},
	{code: 29, class: ClassMisconfigured, scope: ScopeAppKey, nothingRan: true, advice: "invalid app key: check top.accounts.{account}.app_key"},
	{code: 30, class: ClassMisconfigured, scope: ScopeAppKey, nothingRan: true, advice: "missing timestamp: " + lostOnTheWay},
	{code: 31, class: ClassMisconfigured, scope: ScopeAppKey, nothingRan: true,
		advice: "invalid timestamp: set this machine's clock (NTP): the platform takes ten minutes of difference"},
	{code: 32, class: ClassMisconfigured, scope: ScopeAppKey, nothingRan: true, advice: "missing version: " + lostOnTheWay},
	{code: 33, class: ClassMisconfigured, scope: ScopeAppKey, nothingRan: true, advice: "invalid version: check {gateway}: it must speak version 2.0"},
	{code: 34, class: ClassMisconfigured, scope: ScopeAppKey, nothingRan: true, advice: "unsupported version: check {gateway}: it must speak version 2.0"},
	{code: 40, class: ClassRejected, advice: "missing required arguments: " + compare},
	{code: 41, class: ClassRejected, advice: "invalid arguments: " + compare},
	{code: 42, class: ClassSession, scope: ScopeAccountMethod, nothingRan: true, advice: "insufficient session permissions: " + renewSession},
	{code: 43, class: ClassRejected, advice: "parameter error: " + compare},
	{code: 44, class: ClassSession, scope: ScopeAccount, immediate: true, nothingRan: true, advice: "invalid access token: " + renewSession},
	{code: 47, class: ClassRejected, advice: "invalid encoding: " + compare},
	{code: 53, class: ClassSession, scope: ScopeAccountMethod, nothingRan: true,
		advice: "insufficient security level: look at what the platform's console demands of the app's network, and " + renewSession},
	{code: 88, class: ClassTransient}, // auth exception, time-outs

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
	{sub: "isv.missing-parameter", class: ClassRejected, advice: "missing parameter: " + compare},
	{sub: "isv.invalid-parameter", class: ClassRejected, advice: "invalid parameter: " + compare},
	{sub: "isv.parameters-mismatch", class: ClassRejected, advice: "parameters do not match: " + compare},
	{sub: "isv.*-not-exist", class: ClassRejected, advice: "what the events name does not exist: " + readLetters},
	{sub: "isv.*-service-error", class: ClassRejected, advice: readLetters},
	{sub: "isv.trade-service-rejection", class: ClassRejected, advice: "the service refuses the events: " + readLetters},
	{sub: "isv.request-replay-error", class: ClassRejected, advice: "the platform calls it a replay: " + readLetters},
	{sub: "isv.*", class: ClassRejected, advice: readLetters},
}

// Codes that the table does not name.
var (
	unknownBelow100 = verdict{class: ClassMisconfigured, scope: ScopeAccountMethod, advice: "an unknown code: look it up in the platform's list of errors"}
	unknownFrom100  = verdict{class: ClassRejected, advice: readLetters}
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
	return verdict{class: r.class, scope: r.scope, immediate: r.immediate, retryOnce: r.retryOnce, nothingRan: r.nothingRan, advice: r.advice}
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
