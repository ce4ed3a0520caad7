package simulator

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// wantCode checks that the reply is the platform's error of the code, and returns its body.
func wantCode(t *testing.T, body string, code int, subCode string) {
	t.Helper()
	start := `{"error_response":{"code":` + strconv.Itoa(code) + `,"msg":"` + platformTexts[code] + `"`
	if !strings.HasPrefix(body, start) {
		t.Fatalf("reply %s, want code %d", body, code)
	}
	if subCode == "" && strings.Contains(body, "sub_code") {
		t.Errorf("reply %s, want no sub_code", body)
	}
	if subCode != "" && !strings.Contains(body, `"sub_code":"`+subCode+`"`) {
		t.Errorf("reply %s, want sub_code %s", body, subCode)
	}
}

func TestEachCheck(t *testing.T) {
	signedBy := func(secret string) *draft { d := update(nil); d.secret = secret; return d }
	with := func(d *draft, change func(*draft)) *draft { change(d); return d }
	lower := func(query url.Values, _ *string) { query.Set("sign", strings.ToLower(query.Get("sign"))) }
	cases := []struct {
		name    string
		draft   *draft
		code    int // 0 = accepted
		subCode string
	}{
		{"good", update(nil), 0, ""},
		{"verb PUT", with(update(nil), func(d *draft) { d.verb = http.MethodPut }), 9, ""},
		{"verb DELETE without anything", &draft{path: PathTOP, verb: http.MethodDelete, encode: url.Values.Encode, system: map[string]string{"format": "json", "sign": "-"}}, 9, ""},
		{"GET with all in the query", with(update(nil), func(d *draft) { d.verb, d.allInQuery = http.MethodGet, true }), 0, ""},
		{"POST with all in the query", with(update(nil), func(d *draft) { d.allInQuery = true }), 0, ""},
		{"a name twice", with(update(nil), func(d *draft) {
			d.tamper = func(_ url.Values, body *string) { *body += "&app_key=12345678" }
		}), 43, ""},
		{"a name twice in the form", with(update(nil), func(d *draft) {
			d.tamper = func(_ url.Values, body *string) { *body += "&status_code=create" }
		}), 43, ""},
		{"bad escape", with(update(nil), func(d *draft) {
			d.tamper = func(_ url.Values, body *string) { *body += "&x=%zz" }
		}), 43, ""},
		{"cut escape", with(update(nil), func(d *draft) {
			d.tamper = func(_ url.Values, body *string) { *body += "&x=%a" }
		}), 43, ""},
		{"too many parameters", with(update(nil), func(d *draft) {
			d.tamper = func(_ url.Values, body *string) { *body += strings.Repeat("&a=b", maxParams) }
		}), 43, ""},
		{"not UTF-8", with(update(nil), func(d *draft) {
			d.tamper = func(_ url.Values, body *string) { *body += "&memo=%b4%df%c5%c9" }
		}), 47, ""},
		{"multipart", with(update(nil), func(d *draft) { d.contentType = "multipart/form-data;charset=UTF-8;boundary=x" }), 43, ""},
		{"no content type", with(update(nil), func(d *draft) { d.contentType = "" }), 0, ""},
		{"content type without charset", with(update(nil), func(d *draft) { d.contentType = "application/x-www-form-urlencoded" }), 0, ""},
		{"content type in capitals", with(update(nil), func(d *draft) { d.contentType = "Application/X-WWW-Form-Urlencoded; Charset=utf-8" }), 0, ""},
		{"blanks as %20", with(create(nil), func(d *draft) {
			d.encode = func(v url.Values) string { return strings.ReplaceAll(v.Encode(), "+", "%20") }
			d.params["memo"] = "a b"
		}), 0, ""},
		{"no method", update(map[string]string{"method": "-"}), 21, ""},
		{"blank method", update(map[string]string{"method": ""}), 21, ""},
		{"unknown method", update(map[string]string{"method": "taobao.trade.get"}), 22, ""},
		{"Qimen method at TOP", update(map[string]string{"method": methodIssue}), 22, ""},
		{"TOP method at Qimen", with(update(nil), func(d *draft) { d.path = PathQimenCloud }), 22, ""},
		{"no app key", update(map[string]string{"app_key": "-"}), 28, ""},
		{"unknown app key", update(map[string]string{"app_key": "1"}), 29, ""},
		{"no version", update(map[string]string{"v": "-"}), 32, ""},
		{"other version", update(map[string]string{"v": "1.0"}), 33, ""},
		{"no timestamp", update(map[string]string{"timestamp": "-"}), 30, ""},
		{"unreadable timestamp", update(map[string]string{"timestamp": "now"}), 31, ""},
		{"RFC 3339 timestamp", update(map[string]string{"timestamp": "2026-03-01T12:00:00+08:00"}), 31, ""},
		{"timestamp in UTC", update(map[string]string{"timestamp": "2026-03-01 04:00:00"}), 31, ""},
		{"10 minutes slow", update(map[string]string{"timestamp": "2026-03-01 11:50:00"}), 0, ""},
		{"10 minutes fast", update(map[string]string{"timestamp": "2026-03-01 12:10:00"}), 0, ""},
		{"over 10 minutes slow", update(map[string]string{"timestamp": "2026-03-01 11:49:59"}), 31, ""},
		{"over 10 minutes fast", update(map[string]string{"timestamp": "2026-03-01 12:10:01"}), 31, ""},
		{"epoch milliseconds", update(map[string]string{"timestamp": strconv.FormatInt(testNow.UnixMilli(), 10)}), 0, ""},
		{"epoch seconds", update(map[string]string{"timestamp": strconv.FormatInt(testNow.Unix(), 10)}), 31, ""},
		{"the largest number", update(map[string]string{"timestamp": "9223372036854775807"}), 31, ""},
		{"no sign", update(map[string]string{"sign": "-"}), 24, ""},
		{"blank sign", update(map[string]string{"sign": ""}), 24, ""},
		{"wrong secret", signedBy("another"), 25, ""},
		{"lower-case sign", with(update(nil), func(d *draft) { d.tamper = lower }), 25, ""},
		{"tampered value", with(update(nil), func(d *draft) {
			d.tamper = func(_ url.Values, body *string) { *body = strings.Replace(*body, "create", "cancel", 1) }
		}), 25, ""},
		{"added parameter", with(update(nil), func(d *draft) { d.tamper = func(q url.Values, _ *string) { q.Set("x", ""); q.Set("y", "1") } }), 25, ""},
		{"md5", update(map[string]string{"sign_method": "md5"}), 0, ""},
		{"hmac", update(map[string]string{"sign_method": "hmac"}), 0, ""},
		{"unknown sign method", update(map[string]string{"sign_method": "sha1", "sign": "AB"}), 25, ""},
		{"no sign method", update(map[string]string{"sign_method": "-", "sign": "AB"}), 25, ""},
		{"blanks on the wire are signed", update(map[string]string{"comment": "", "volume": " ", "partner_id": ""}), 0, ""},
		{"no session", update(map[string]string{"session": "-"}), 26, ""},
		{"empty session", update(map[string]string{"session": ""}), 26, ""},
		{"blank session", update(map[string]string{"session": " "}), 27, "session-is-blank"},
		{"unknown session", update(map[string]string{"session": "x"}), 27, "invalid-sessionkey"},
		{"expired session", update(map[string]string{"session": "old"}), 27, "session-expired"},
		{"session of another app", update(map[string]string{"session": "other"}), 27, "sessionkey-not-generated-by-server"},
		{"no session where none is needed", syncOrder(map[string]string{"session": "-"}), 0, ""},
		{"a bad session where none is needed", ovs(map[string]string{"session": "x"}), 0, ""},
		{"not permitted", create(map[string]string{"app_key": "3"}), 11, "isv.permission-api-package-limit"},
		{"permitted", update(map[string]string{"app_key": "3", "session": "third"}), 0, ""},
		{"missing argument", update(map[string]string{"status_code": "-"}), 40, "isv.missing-parameter:status_code"},
		{"wrong argument", update(map[string]string{"logistics_order_id": "12a"}), 41, "isv.invalid-parameter:logistics_order_id"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, func(o *Options) {
				own := o.Apps[testKey]
				own.Expired = []string{"old"}
				o.Apps[testKey] = own
				o.Apps["2"] = App{Secret: "s2", Sessions: []string{"other"}}
				o.Apps["3"] = App{Secret: testSecret, Sessions: []string{"third"}, Methods: []string{methodUpdate}}
			})
			response, body := r.send(test.draft)
			if response.StatusCode != http.StatusOK {
				t.Errorf("status %d", response.StatusCode)
			}
			if test.code != 0 {
				wantCode(t, body, test.code, test.subCode)
			} else if strings.Contains(body, "error_response") || !strings.Contains(body, `success":true`) {
				t.Errorf("reply %s, want success", body)
			}
			if got := r.lastCall(); got.Accepted != (test.code == 0) {
				t.Errorf("accepted %v for code %d", got.Accepted, test.code)
			}
		})
	}
}

// Every check is broken at once; mending them one by one shows the platform's order (protocol page, section 9 item 4).
func TestOrderOfChecks(t *testing.T) {
	r := newRig(t, func(o *Options) { o.PerSecond = 1 })
	d := update(map[string]string{
		"method": "-", "app_key": "-", "v": "-", "format": "json", "timestamp": "-", "sign": "-", "session": "-", "status_code": "-",
	})
	d.verb = http.MethodPut
	d.contentType = "application/pdf"
	steps := []struct {
		mend func()
		code int
	}{
		{func() {}, 9},
		{func() { d.verb = http.MethodPost }, 43},
		{func() { d.contentType = "" }, 21},
		{func() { d.system["method"] = "x" }, 22},
		{func() { d.system["method"] = methodUpdate }, 28},
		{func() { d.system["app_key"] = "x" }, 29},
		{func() { d.system["app_key"] = testKey }, 32},
		{func() { d.system["v"] = "3.0" }, 33},
		{func() { d.system["v"] = "2.0" }, 30},
		{func() { d.system["timestamp"] = "x" }, 31},
		{func() { d.system["timestamp"] = "2026-03-01 12:00:00" }, 24},
		{func() { d.system["sign"] = "x" }, 25},
		{func() { delete(d.system, "sign"); permit(t, r, "another.method") }, 11},
		{func() { permit(t, r) }, 26},
		{func() {}, 7}, // the call before counted
		{func() { r.now = r.now.Add(time.Second); d.system["session"] = "x" }, 27},
		{func() { r.now = r.now.Add(time.Second); d.system["session"] = testSession }, 40},
		{func() { r.now = r.now.Add(time.Second); d.params["status_code"] = "sent" }, 41},
	}
	for i, step := range steps {
		step.mend()
		_, body := r.send(d)
		if !strings.Contains(body, `"code":`+strconv.Itoa(step.code)+",") {
			t.Errorf("step %d: %s, want code %d", i, body, step.code)
		}
	}
}

func permit(t *testing.T, r *rig, methods ...string) {
	t.Helper()
	if err := r.SetApp(testKey, App{Secret: testSecret, Sessions: []string{testSession}, Methods: methods}); err != nil {
		t.Fatal(err)
	}
}

func TestFormatIsChecked(t *testing.T) {
	r := newRig(t, nil)
	body := r.body(update(map[string]string{"format": "json2"}))
	want := `<?xml version="1.0" encoding="utf-8" ?><error_response><code>23</code><msg>Invalid Format</msg><request_id>ID</request_id></error_response><!--top010179031191.s.et2-->`
	if body != want {
		t.Errorf("%s\nwant %s", body, want)
	}
}

func TestLargeBodyIsRefused(t *testing.T) {
	r := newRig(t, nil)
	d := update(nil)
	d.tamper = func(_ url.Values, body *string) { *body = "memo=" + strings.Repeat("a", maxBody) }
	if response, _ := r.send(d); response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d, want 413", response.StatusCode)
	}
}

func TestSecretAndSessionChangeAtRunTime(t *testing.T) {
	r := newRig(t, nil)
	if err := r.SetApp(testKey, App{Secret: "new", Sessions: []string{"fresh"}, Expired: []string{testSession}}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, r.body(update(nil)), 25, "")
	d := update(nil)
	d.secret = "new"
	wantCode(t, r.body(d), 27, "session-expired")
	d.system["session"] = "fresh"
	if body := r.body(d); !strings.Contains(body, `"success":true`) {
		t.Error(body)
	}
	for _, bad := range []App{{}, {Secret: "s", Sessions: []string{""}}} {
		if r.SetApp(testKey, bad) == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	if r.SetApp("", App{Secret: "s"}) == nil {
		t.Error("an empty app key was taken")
	}
}

func TestQimenCloudNeedsTheTarget(t *testing.T) {
	r := newRig(t, nil)
	d := issue(issueBody)
	d.system["target_app_key"] = "-"
	wantCode(t, r.body(d), 40, "isv.missing-parameter:target_app_key")
	d.path = PathQimenService
	if body := r.body(d); !strings.Contains(body, `"success":true`) {
		t.Error(body)
	}
}
