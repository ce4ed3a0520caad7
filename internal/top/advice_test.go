package top

import (
	"regexp"
	"strings"
	"testing"

	"github.com/toprelay/worker/schemas"
)

// Whoever reads of a pause must learn what to look at: no row of the table is without it, but for what passes by itself and
// pauses nothing.
func TestEveryRuleHasAdvice(t *testing.T) {
	names := regexp.MustCompile(`\{[^}]*\}`)
	has := func(name string, v verdict) {
		if (v.advice == "") != (v.class == ClassTransient) {
			t.Errorf("%s, %s: advice %q", name, v.class, v.advice)
		}
		for _, n := range names.FindAllString(v.advice, -1) {
			if n != "{account}" && n != "{gateway}" {
				t.Errorf("%s: nothing fills in %s", name, n)
			}
		}
	}
	for i := range rules {
		has(rules[i].sub+"/"+string(rune('0'+rules[i].code%10)), rules[i].verdict())
	}
	has("an unknown code", unknownBelow100)
	has("an unknown code from 100 on", unknownFrom100)
}

// The advice of a reply names the account and the key of the configuration, and never says what the platform said.
func TestAdviceOfReplies(t *testing.T) {
	failure := func(code, subCode string) string {
		return `{"error_response":{"code":` + code + `,"msg":"canary-text","sub_code":"` + subCode + `","sub_msg":"canary-text","request_id":"r"}}`
	}
	update, issue := typeOf(t, "top.logisticsorder.status.v1"), typeOf(t, "top.workorder.issue.v1")
	for _, c := range []struct {
		name   string
		typ    *schemas.Type
		status int
		body   string
		want   string // all of it, or with … its beginning
	}{
		{"wrong secret", update, 200, failure("25", ""), "invalid signature: check top.accounts.shop-2.app_secret_file"},
		{"dead session", update, 200, failure("27", ""), "invalid session: renew the authorisation, and write the new session to top.accounts.shop-2.session_file"},
		{"no permission", update, 200, failure("11", "isv.permission-ip-whitelist-limit"), "the app key may not call the API from here: …"},
		{"a part is lost", update, 200, failure("24", ""), "missing signature: check top.gateway, …"},
		{"a part is lost on the way to Qimen", issue, 200, `<response><flag>failure</flag><code>24</code><message>canary-text</message></response>`, "missing signature: check qimen.outbound.gateway, …"},
		{"a provider refuses the sign", issue, 200, `<response><success>false</success><biz_error_code>sign-check-failure</biz_error_code><biz_error_msg>canary-text</biz_error_msg></response>`,
			"the provider refuses the signature: check top.accounts.shop-2.app_secret_file, …"},
		{"ban", update, 200, failure("7", "accesscontrol.limited-by-app-access-count"), "the app key's calls of the day are used up …"},
		{"an unknown code", update, 200, failure("77", ""), "an unknown code: …"},
		{"rejected", update, 200, failure("41", ""), "invalid arguments: …"},
		{"429", update, 429, "canary-text", "the gateway limits the calls: …"},
		{"429 with a ban", update, 429, failure("7", "accesscontrol.limited-by-api-access-count"), "the platform limits the API …"},
		{"404", update, 404, "canary-text", "this is no answer of the platform: check top.gateway, …"},
		{"302", issue, 302, "canary-text", "this is no answer of the platform: check qimen.outbound.gateway, …"},
		{"ok", update, 200, updateOK, ""},
		{"transient", update, 200, failure("10", ""), ""},
		{"502", update, 502, "canary-text", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			account := testAccount()
			account.Name = "shop-2"
			got := statusServer(t, c.status, nil, c.body).Call(t.Context(), account, c.typ, Payload{}).Advice
			beginning, more := strings.CutSuffix(c.want, "…")
			if as := got == c.want || more && strings.HasPrefix(got, beginning); !as || strings.Contains(got, "{") || strings.Contains(got, "canary") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// Calls that are not made say which key is missing.
func TestAdviceWithoutACall(t *testing.T) {
	client := testClient(t, Options{})
	update, issue := typeOf(t, "top.logisticsorder.status.v1"), typeOf(t, "top.workorder.issue.v1")
	reached := testClient(t, Options{Gateway: "http://127.0.0.1:1/router/rest"})
	for want, r := range map[string]Reply{
		"set top.gateway":                                              client.Call(t.Context(), testAccount(), update, Payload{}),
		"set qimen.outbound.gateway":                                   client.Call(t.Context(), testAccount(), issue, Payload{}),
		"set top.accounts.default.session_file":                        reached.Call(t.Context(), &Account{Name: "default", AppKey: "1", Secret: fixed("s")}, update, Payload{}),
		"write the app secret to top.accounts.default.app_secret_file": reached.Call(t.Context(), &Account{Name: "default", AppKey: "1"}, update, Payload{}),
	} {
		if r.Advice != want {
			t.Errorf("got %q, want %q", r.Advice, want)
		}
	}
}
