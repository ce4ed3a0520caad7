package top

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/toprelay/worker/schemas"
)

// verdictLine is one line of the verdict table: what a refusal must mean for a type that is repeatable, and what else
// for one that is not (notRepeatable, where the class differs).
type verdictLine struct {
	code, sub     string
	class         Class
	notRepeatable Class
	scope         Scope
	flags         string // of: immediate, once, nothing
}

const (
	accepted      = ClassOK
	transient     = ClassTransient
	throttled     = ClassThrottled
	session       = ClassSession
	misconfigured = ClassMisconfigured
	rejected      = ClassRejected
	ambiguous     = ClassAmbiguous
)

// verdictLines is written from the contract, section 5, and the protocol page, sections 5 and 6: each code and sub_code
// that they list, and codes that they do not.
var verdictLines = []verdictLine{
	// Flow control: code 7 and accesscontrol.* under any code.
	{"4", "", throttled, 0, ScopeAppKeyMethod, "nothing"},
	{"5", "", throttled, 0, ScopeAppKeyMethod, "nothing"},
	{"6", "", throttled, 0, ScopeAppKeyMethod, "nothing"},
	{"7", "", throttled, 0, ScopeAppKeyMethod, "nothing"},
	{"7", "accesscontrol.limited-by-app-access-count", throttled, 0, ScopeAppKey, "nothing"},
	{"7", "accesscontrol.limited-by-api-access-count", throttled, 0, ScopeMethod, "nothing"},
	{"7", "accesscontrol.limited-by-app-api-access-count", throttled, 0, ScopeAppKeyMethod, "nothing"},
	{"7", "accesscontrol.limited-by-dynamic-access-count", throttled, 0, ScopeAppKeyMethod, "nothing"},
	{"7", "accesscontrol.limited-by-something-new", throttled, 0, ScopeAppKeyMethod, "nothing"},
	{"7", "isp.unknown-error", throttled, 0, ScopeAppKeyMethod, "nothing"},
	{"8", "", throttled, 0, ScopeAppKeyMethod, "nothing"},
	{"15", "accesscontrol.limited-by-api-access-count", throttled, 0, ScopeMethod, "nothing"},
	{"15", "ACCESSCONTROL.LIMITED-BY-APP-ACCESS-COUNT", throttled, 0, ScopeAppKey, "nothing"},
	{"40", "accesscontrol.limited-by-app-api-access-count", throttled, 0, ScopeAppKeyMethod, "nothing"},
	{"27", "accesscontrol.limited-by-app-api-access-count", throttled, 0, ScopeAppKeyMethod, "nothing"},
	{"999", "accesscontrol.limited-by-app-api-access-count", throttled, 0, ScopeAppKeyMethod, "nothing"},

	// Sessions.
	{"26", "", session, 0, ScopeAccount, "immediate nothing"},
	{"27", "", session, 0, ScopeAccount, "immediate nothing"},
	{"27", "invalid-sessionkey", session, 0, ScopeAccount, "immediate nothing"},
	{"27", "session-expired", session, 0, ScopeAccount, "immediate nothing"},
	{"26", "session-is-blank", session, 0, ScopeAccount, "immediate nothing"},
	{"27", "sessionkey-not-generated-by-server", session, 0, ScopeAccount, "immediate nothing"},
	{"15", "invalid-sessionkey", session, 0, ScopeAccount, "immediate nothing"},
	{"44", "", session, 0, ScopeAccount, "immediate nothing"},
	{"42", "", session, 0, ScopeAccountMethod, "nothing"},
	{"53", "", session, 0, ScopeAccountMethod, "nothing"},
	{"12", "", session, 0, ScopeAccountMethod, "nothing"},
	{"12", "isv.something", session, 0, ScopeAccountMethod, "nothing"},

	// The world must be mended.
	{"3", "", misconfigured, ambiguous, ScopeAccountMethod, ""},
	{"9", "", misconfigured, 0, ScopeAccountMethod, "nothing"},
	{"11", "", misconfigured, 0, ScopeAppKeyMethod, "nothing"},
	{"11", "isv.permission-api-package-empty", misconfigured, 0, ScopeAppKeyMethod, "nothing"},
	{"11", "isv.permission-api-package-not-allowed", misconfigured, 0, ScopeAppKeyMethod, "nothing"},
	{"11", "isv.permission-api-package-limit", misconfigured, 0, ScopeAppKeyMethod, "nothing"},
	{"11", "isv.permission-ip-whitelist-limit", misconfigured, 0, ScopeAppKeyMethod, "nothing"},
	{"11", "isv.permission-api-widget-only-limit", misconfigured, 0, ScopeAppKeyMethod, "nothing"},
	{"12", "isv.permission-ip-whitelist-limit", misconfigured, 0, ScopeAccountMethod, "nothing"},
	{"13", "", misconfigured, 0, ScopeAccountMethod, "nothing"},
	{"21", "", misconfigured, 0, ScopeAccountMethod, "nothing"},
	{"22", "", misconfigured, 0, ScopeAppKeyMethod, "nothing"},
	{"23", "", misconfigured, 0, ScopeAccountMethod, "nothing"},
	{"24", "", misconfigured, 0, ScopeAccountMethod, "nothing"},
	{"25", "", misconfigured, 0, ScopeAppKey, "nothing"},
	{"28", "", misconfigured, 0, ScopeAppKey, "nothing"},
	{"29", "", misconfigured, 0, ScopeAppKey, "nothing"},
	{"29", "isv.appkey-not-exists", misconfigured, 0, ScopeAppKey, "nothing"},
	{"30", "", misconfigured, 0, ScopeAppKey, "nothing"},
	{"31", "", misconfigured, 0, ScopeAppKey, "nothing"},
	{"31", "isv.timestamp-limit-error", misconfigured, 0, ScopeAppKey, "nothing"},
	{"32", "", misconfigured, 0, ScopeAppKey, "nothing"},
	{"33", "", misconfigured, 0, ScopeAppKey, "nothing"},
	{"34", "", misconfigured, 0, ScopeAppKey, "nothing"},
	{"15", "isv.permission-ip-whitelist-limit", misconfigured, 0, ScopeAccountMethod, "nothing"},
	{"15", "isv.invalid-permission", misconfigured, 0, ScopeAccountMethod, "nothing"},
	{"40", "isv.invalid-permission", misconfigured, 0, ScopeAccountMethod, "nothing"},
	{"15", "isv.access-limited-by-ip", misconfigured, 0, ScopeAccountMethod, "nothing"},
	{"15", "isv.appkey not exists", misconfigured, 0, ScopeAccountMethod, "nothing"},
	{"15", "isv.timestamp-limit-error", misconfigured, 0, ScopeAccountMethod, "nothing"},
	{"15", "isv.replayattack-timestamp-invalid-error", misconfigured, 0, ScopeAccountMethod, "nothing"},
	{"530", "isv.invalid-permission", misconfigured, 0, ScopeAccountMethod, "nothing"},
	{"", "isv.invalid-permission", misconfigured, 0, ScopeAccountMethod, "nothing"},
	{"15", "sign-check-failure", misconfigured, 0, ScopeAppKeyMethod, "nothing"},
	{"sign-check-failure", "", misconfigured, 0, ScopeAppKeyMethod, "nothing"},

	// The platform failed, and the call may have run.
	{"10", "", transient, ambiguous, 0, ""},
	{"10", "isv.invalid-parameter", transient, ambiguous, 0, ""},
	{"88", "", transient, ambiguous, 0, ""},
	{"15", "", transient, ambiguous, 0, ""},
	{"50", "", transient, ambiguous, 0, ""},
	{"15.0", "", transient, ambiguous, 0, ""},
	{"15", "9100", transient, ambiguous, 0, ""},
	{"15", "isp.item-service-unavailable", transient, ambiguous, 0, ""},
	{"15", "isp.remote-service-error", transient, ambiguous, 0, ""},
	{"50", "isp.remote-service-error", transient, ambiguous, 0, ""},
	{"15", "isp.remote-service-timeout", transient, ambiguous, 0, ""},
	{"15", "isp.remote-connection-error", transient, ambiguous, 0, ""},
	{"15", "isp.top-remote-connection-timeout", transient, ambiguous, 0, ""},
	{"15", "isp.top-remote-connection-timeout-tmall", transient, ambiguous, 0, ""},
	{"15", "isp.top-remote-connection-error", transient, ambiguous, 0, ""},
	{"15", "isp.top-remote-service-unavailable", transient, ambiguous, 0, ""},
	{"15", "isp.top-remote-unknown-error", transient, ambiguous, 0, ""},
	{"15", "isp.unknown-error", transient, ambiguous, 0, ""},
	{"15", "isp.system-busy", transient, ambiguous, 0, ""},
	{"15", "isp.call-limited", transient, ambiguous, 0, ""},
	{"15", "isp.service-error", transient, ambiguous, 0, ""},
	{"15", "isp.invalid-parameters", transient, ambiguous, 0, ""},
	{"15", "isp.anything-else", transient, ambiguous, 0, ""},
	{"670", "isp.remote-service-error", transient, ambiguous, 0, ""},
	{"15", "isp.null-pointer-exception", transient, ambiguous, 0, "once"},
	{"50", "isp.top-parse-error", transient, ambiguous, 0, "once"},
	{"15", "isp.top-mapping-parse-error", transient, ambiguous, 0, "once"},

	// The event is refused.
	{"40", "", rejected, 0, 0, ""},
	{"40", "isv.missing-parameter:out_order_id", rejected, 0, 0, ""},
	{"41", "", rejected, 0, 0, ""},
	{"41", "isv.invalid-parameter", rejected, 0, 0, ""},
	{"41", "isp.remote-service-error", rejected, 0, 0, ""},
	{"43", "", rejected, 0, 0, ""},
	{"47", "", rejected, 0, 0, ""},
	{"15", "isv.missing-parameter:NAME", rejected, 0, 0, ""},
	{"15", "isv.invalid-parameter", rejected, 0, 0, ""},
	{"50", "isv.invalid-parameter:status_code", rejected, 0, 0, ""},
	{"15", "isv.parameters-mismatch:A-and-B", rejected, 0, 0, ""},
	{"15", "isv.order-not-exist:12", rejected, 0, 0, ""},
	{"15", "isv.item-service-error:CODE", rejected, 0, 0, ""},
	{"15", "isv.trade-service-rejection", rejected, 0, 0, ""},
	{"15", "isv.request-replay-error", rejected, 0, 0, ""},
	{"15", "isv.anything-else", rejected, 0, 0, ""},
	{"15", "isv.invalid-parameter:permission", rejected, 0, 0, ""},

	// Codes that no list names.
	{"1", "", misconfigured, ambiguous, ScopeAccountMethod, ""},
	{"35", "isv.invalid-parameter", misconfigured, ambiguous, ScopeAccountMethod, ""},
	{"99", "isp.unknown-error", misconfigured, ambiguous, ScopeAccountMethod, ""},
	{"0", "", misconfigured, ambiguous, ScopeAccountMethod, ""},
	{"-3", "", misconfigured, ambiguous, ScopeAccountMethod, ""},
	{"not-a-number", "", misconfigured, ambiguous, ScopeAccountMethod, ""},
	{"not-a-number", "isv.invalid-parameter", rejected, 0, 0, ""},
	{"100", "", rejected, 0, 0, ""},
	{"501", "", rejected, 0, 0, ""},
	{"520", "", rejected, 0, 0, ""},
	{"530", "", rejected, 0, 0, ""},
	{"670", "", rejected, 0, 0, ""},
	{"700", "9100", rejected, 0, 0, ""},
	{"900", "isv.anything", rejected, 0, 0, ""},
	{"99999999999999999999", "", rejected, 0, 0, ""},
	{"1e999", "", rejected, 0, 0, ""},
}

func TestVerdicts(t *testing.T) {
	for _, line := range verdictLines {
		for _, repeatable := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s %s repeatable=%t", line.code, line.sub, repeatable), func(t *testing.T) {
				want := line.class
				if !repeatable && line.notRepeatable != 0 {
					want = line.notRepeatable
				}
				typ := &schemas.Type{Method: "a.b", Encoding: schemas.EncodingForm, Repeatable: repeatable}
				r := Reply{Written: true}
				r.refused(typ, reading{kind: kindError, code: line.code, subCode: line.sub}, &MethodOptions{}, time.Now())
				once := strings.Contains(line.flags, "once") && repeatable
				scope := line.scope
				if r.Class == ClassAmbiguous {
					scope = ScopeNone
				}
				if r.Class != want || r.Scope != scope ||
					r.Immediate != strings.Contains(line.flags, "immediate") ||
					r.RetryOnce != once ||
					r.NothingRan != strings.Contains(line.flags, "nothing") {
					t.Errorf("class %s (want %s) scope %s (want %s) immediate %t once %t nothing ran %t",
						r.Class, want, r.Scope, scope, r.Immediate, r.RetryOnce, r.NothingRan)
				}
				if (r.Wait > 0) != (r.Class == ClassThrottled) {
					t.Errorf("class %s with a wait of %s", r.Class, r.Wait)
				}
			})
		}
	}
}

// TestEveryRuleHasALine finds rules that no line of the verdict table reaches.
func TestEveryRuleHasALine(t *testing.T) {
	reached := map[*rule]bool{}
	for _, line := range verdictLines {
		sub := strings.ToLower(line.sub)
		number, _ := codeNumber(line.code)
		for _, r := range []*rule{ruleOfCode(number), ruleOfSub(sub, true), ruleOfSub(sub, false)} {
			reached[r] = true
		}
	}
	for i := range rules {
		if !reached[&rules[i]] {
			t.Errorf("rule %d %q has no line, or another rule hides it", rules[i].code, rules[i].sub)
		}
	}
}

// TestNothingRanIsTheContractsList keeps the list of the contract, section 5, apart from the table.
func TestNothingRanIsTheContractsList(t *testing.T) {
	proven := []int{4, 5, 6, 7, 8, 9, 11, 12, 13, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 42, 44, 53}
	for code := -1; code <= 1000; code++ {
		v, _ := judge(fmt.Sprint(code), "")
		if v.nothingRan != slices.Contains(proven, code) {
			t.Errorf("code %d: nothing ran = %t", code, v.nothingRan)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"isp.*", "isp.", true},
		{"isp.*", "isv.x", false},
		{"isv.*timestamp*", "isv.timestamp", true},
		{"isv.*timestamp*", "isv.a-timestamp-b", true},
		{"isv.*timestamp*", "isv.a-time-stamp", false},
		{"isv.*-not-exist", "isv.a-not-exist-not-exist", true},
		{"isv.*-not-exist", "isv.a-not-exists", false},
		{"a", "a", true},
		{"a", "ab", false},
		{"a*b*c", "abc", true},
		{"a*b*c", "acb", false},
		{"*", "", true},
	} {
		if got := matches(c.pattern, c.text); got != c.want {
			t.Errorf("matches(%q, %q) = %t", c.pattern, c.text, got)
		}
	}
}

func TestBusinessCodes(t *testing.T) {
	typ := &schemas.Type{
		Repeatable: true, TransientCodes: []string{"SYSTEM_ERROR"}, DuplicateCodes: []string{"DONE"},
	}
	options := &MethodOptions{TransientCodes: []string{"1100", "DONE2"}, DuplicateCodes: []string{"DONE2", ""}}
	for _, c := range []struct {
		code          string
		class         Class
		notRepeatable Class
	}{
		{"SYSTEM_ERROR", transient, ambiguous},
		{"1100", transient, ambiguous},
		{"DONE", accepted, accepted},
		{"DONE2", accepted, accepted}, // said to be both: accepted is the stronger word
		{"PARAM_ERROR", rejected, rejected},
		{"", rejected, rejected},
		{"sign-check-failure", misconfigured, misconfigured},
	} {
		for _, repeatable := range []bool{true, false} {
			typ := *typ
			typ.Repeatable = repeatable
			want := c.class
			if !repeatable {
				want = c.notRepeatable
			}
			var r Reply
			r.failed(&typ, c.code, options)
			if r.Class != want || r.Duplicate != (want == accepted) {
				t.Errorf("code %q, repeatable %t: class %s, duplicate %t, want %s", c.code, repeatable, r.Class, r.Duplicate, want)
			}
		}
	}
}

func TestClassAndScopeNames(t *testing.T) {
	var names []string
	for c := Class(0); c <= ClassCancelled+1; c++ {
		names = append(names, c.String())
	}
	for s := ScopeNone; s <= ScopeAccountMethod; s++ {
		names = append(names, s.String())
	}
	want := "none ok transient throttled session misconfigured rejected ambiguous cancelled none " +
		"none app_key method app_key_method account account_method"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("names %s, want %s", got, want)
	}
}
