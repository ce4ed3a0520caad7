package top

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/toprelay/worker/schemas"
)

func TestNewClientChecksItsOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"sign method":            {SignMethod: "sha1"},
		"sign method of one":     {Methods: map[string]MethodOptions{"a.b": {SignMethod: "sha1"}}},
		"time-out":               {Timeout: -1},
		"time-out of one":        {Methods: map[string]MethodOptions{"a.b": {Timeout: -1}}},
		"concurrency":            {Concurrency: -1},
		"no URL":                 {Gateway: "http://[::1"},
		"relative URL":           {Gateway: "/router/rest"},
		"another scheme":         {QimenGateway: "ftp://qimen.example/"},
		"a password in the URL":  {Gateway: "https://u:canary-secret-0001@gw.example/router/rest"},
		"a parameter in the URL": {Gateway: "https://gw.example/router/rest?session=canary-session-0001"},
	} {
		c, err := NewClient(o)
		if err == nil {
			c.Close()
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error shows the URL", name)
		}
	}
}

func TestTimeout(t *testing.T) {
	c := testClient(t, Options{Timeout: 2 * time.Second, Methods: map[string]MethodOptions{"slow": {Timeout: time.Minute}}})
	if c.Timeout("slow") != time.Minute || c.Timeout("other") != 2*time.Second {
		t.Errorf("time-outs %s, %s", c.Timeout("slow"), c.Timeout("other"))
	}
	if d := testClient(t, Options{}).Timeout("x"); d != 15*time.Second {
		t.Errorf("default time-out %s", d)
	}
}

// TestCallOnTheWire checks what a gateway sees: where each parameter stands, the fresh timestamp and the sign.
func TestCallOnTheWire(t *testing.T) {
	calls := make(chan received, 1)
	paths := make(chan string, 1)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls <- receive(r)
		paths <- r.Method + " " + r.URL.Path + " " + r.Header.Get("Accept-Encoding")
	}))
	defer gateway.Close()
	now := time.Date(2026, 2, 28, 16, 59, 59, 999, time.UTC)
	client := testClient(t, Options{
		Gateway: gateway.URL + "/router/rest", QimenGateway: gateway.URL + "/router/qm", TargetAppKey: "24000002", CustomerID: "c-1",
		Methods: map[string]MethodOptions{"tmall.ovs.delivery.order.info.send": {SignMethod: SignMD5}},
		Now:     func() time.Time { now = now.Add(time.Second); return now },
	})
	ofSystem := func(r received) map[string]string {
		got := map[string]string{}
		for name, values := range r.params {
			if IsSystemParam(name) && name != ParamSign {
				got[name] = strings.Join(values, " and ")
			}
		}
		return got
	}

	t.Run("form with session", func(t *testing.T) {
		update := typeOf(t, "top.logisticsorder.status.v1")
		payload := Payload{Params: []Param{{"comment", "a&b=c+d %😀"}, {"logistics_order_id", "1"}, {"zzz", "1"}}}
		client.Call(t.Context(), testAccount(), update, payload)
		first := <-calls
		if got := <-paths; got != "POST /router/rest gzip" {
			t.Errorf("request %s", got)
		}
		if len(first.query) != 0 {
			t.Errorf("query %v: nothing belongs there", first.query)
		}
		want := map[string]string{"app_key": "12345678", "format": "json", "method": update.Method, "session": testSession,
			"sign_method": "hmac-sha256", "timestamp": "2026-03-01 01:00:00", "v": "2.0"}
		if got := ofSystem(first); !reflect.DeepEqual(got, want) {
			t.Errorf("system parameters %v, want %v", got, want)
		}
		if !first.signed(testSecret) || first.contentType != "application/x-www-form-urlencoded;charset=utf-8" {
			t.Errorf("signed: %t, content type %s", first.signed(testSecret), first.contentType)
		}
		client.Call(t.Context(), testAccount(), update, payload)
		second := <-calls
		<-paths
		if second.params.Get("timestamp") == first.params.Get("timestamp") || second.params.Get("sign") == first.params.Get("sign") {
			t.Error("the second attempt was not signed anew")
		}
		if !second.signed(testSecret) {
			t.Error("the second attempt's sign is wrong")
		}
	})
	t.Run("struct without session, md5", func(t *testing.T) {
		ovs := typeOf(t, "top.deliveryorder.status.v1")
		client.Call(t.Context(), testAccount(), ovs, Payload{Params: []Param{{"param", `{"a":"b"}`}}})
		got := <-calls
		<-paths
		if got.params.Has("session") || got.params.Get("sign_method") != "md5" || !got.signed(testSecret) || len(got.params.Get("sign")) != 32 {
			t.Errorf("parameters %v", got.params)
		}
	})
	t.Run("Qimen", func(t *testing.T) {
		issue := typeOf(t, "top.workorder.issue.v1")
		body := "<request><description>100% +&amp;\r</description></request>"
		client.Call(t.Context(), testAccount(), issue, Payload{Body: []byte(body)})
		got := <-calls
		if path := <-paths; path != "POST /router/qm gzip" {
			t.Errorf("request %s", path)
		}
		want := map[string]string{"app_key": "12345678", "customerId": "c-1", "format": "xml", "method": issue.Method,
			"sign_method": "hmac-sha256", "target_app_key": "24000002", "v": "2.0", "timestamp": ofSystem(got)["timestamp"]}
		if !reflect.DeepEqual(ofSystem(got), want) || len(got.query) != len(want)+1 {
			t.Errorf("query %v, want %v and a sign", got.query, want)
		}
		if got.body != body || !got.signed(testSecret) || got.contentType != "text/xml;charset=utf-8" {
			t.Errorf("body %q, signed: %t, content type %s", got.body, got.signed(testSecret), got.contentType)
		}
	})
}

// TestCallsThatAreNotMade returns before anything is sent.
func TestCallsThatAreNotMade(t *testing.T) {
	update, sync := typeOf(t, "top.logisticsorder.status.v1"), typeOf(t, "top.workorder.sync.v1")
	issue := typeOf(t, "top.workorder.issue.v1")
	calls := make(chan received, 1)
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { calls <- receive(r) }))
	defer gateway.Close()
	client := testClient(t, Options{Gateway: gateway.URL})
	none := testClient(t, Options{})

	noSession, blank, noSecret := testAccount(), testAccount(), testAccount()
	noSession.Session, blank.Session, noSecret.Secret = nil, fixed(" \n"), fixed("")
	for name, c := range map[string]struct {
		client  *Client
		account *Account
		typ     *schemas.Type
		class   Class
		scope   Scope
		at      bool
	}{
		"no gateway":       {none, testAccount(), update, ClassMisconfigured, ScopeMethod, false},
		"no Qimen gateway": {client, testAccount(), issue, ClassMisconfigured, ScopeMethod, false},
		"no session":       {client, noSession, update, ClassSession, ScopeAccount, true},
		"blank session":    {client, blank, update, ClassSession, ScopeAccount, true},
		"no secret":        {client, noSecret, sync, ClassMisconfigured, ScopeAppKey, false},
	} {
		r := c.client.Call(t.Context(), c.account, c.typ, Payload{Params: []Param{{"a", "b"}}})
		if r.Class != c.class || r.Scope != c.scope || r.Immediate != c.at || !r.NothingRan || r.Written || r.Err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := client.Call(t.Context(), noSession, sync, Payload{}); r.Class != ClassTransient || !r.Written {
		t.Errorf("a method without session needs none: %+v", r)
	}
	<-calls
	select {
	case got := <-calls:
		t.Errorf("a call was made: %v", got)
	default:
	}
}

// statusServer answers every call in the same way.
func statusServer(t *testing.T, status int, header map[string]string, body string) *Client {
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(gateway.Close)
	return testClient(t, Options{Gateway: gateway.URL, QimenGateway: gateway.URL, Timeout: 5 * time.Second})
}

func TestStatus(t *testing.T) {
	const (
		page = "<html><head><title>502 Bad Gateway</title></head></html>"
		ban  = `{"error_response":{"code":7,"msg":"App Call Limited","sub_code":"accesscontrol.limited-by-api-access-count","sub_msg":"This ban will last for 9 more seconds"}}`
		isv  = `{"error_response":{"code":41,"msg":"Invalid Arguments","sub_code":"isv.invalid-parameter:x"}}`
		sign = `{"error_response":{"code":25,"msg":"Invalid signature"}}`
	)
	for _, c := range []struct {
		name          string
		status        int
		header        map[string]string
		body          string
		class         Class
		notRepeatable Class
		scope         Scope
		wait          time.Duration
		code          string
	}{
		{"200", 200, nil, updateOK, ClassOK, ClassOK, 0, 0, ""},
		{"201", 201, nil, updateOK, ClassOK, ClassOK, 0, 0, ""},
		{"204", 204, nil, "", ClassTransient, ClassAmbiguous, 0, 0, ""},
		{"500", 500, nil, updateOK, ClassTransient, ClassAmbiguous, 0, 0, ""},
		{"500 with an error", 500, nil, isv, ClassTransient, ClassAmbiguous, 0, 0, "41"},
		{"502", 502, map[string]string{"Content-Type": "text/html"}, page, ClassTransient, ClassAmbiguous, 0, 0, ""},
		{"503", 503, map[string]string{"Retry-After": "3"}, "", ClassTransient, ClassAmbiguous, 0, 0, ""},
		{"504", 504, nil, page, ClassTransient, ClassAmbiguous, 0, 0, ""},
		{"429", 429, nil, page, ClassThrottled, ClassThrottled, ScopeAppKeyMethod, time.Second, ""},
		{"429 with Retry-After", 429, map[string]string{"Retry-After": "7"}, "", ClassThrottled, ClassThrottled, ScopeAppKeyMethod, 7 * time.Second, ""},
		{"429 with a ban", 429, nil, ban, ClassThrottled, ClassThrottled, ScopeMethod, 9 * time.Second, "7"},
		{"429 with another error", 429, nil, isv, ClassThrottled, ClassThrottled, ScopeAppKeyMethod, time.Second, "41"},
		{"400 with an error", 400, nil, isv, ClassRejected, ClassRejected, 0, 0, "41"},
		{"400 with a ban", 400, nil, ban, ClassThrottled, ClassThrottled, ScopeMethod, 9 * time.Second, "7"},
		{"403 with an error", 403, nil, sign, ClassMisconfigured, ClassMisconfigured, ScopeAppKey, 0, "25"},
		{"400 with OAuth's error", 400, nil, `{"error":"invalid_request"}`, ClassMisconfigured, ClassAmbiguous, ScopeAccountMethod, 0, ""},
		{"403", 403, nil, page, ClassMisconfigured, ClassAmbiguous, ScopeAccountMethod, 0, ""},
		{"404", 404, nil, "404 page not found", ClassMisconfigured, ClassAmbiguous, ScopeAccountMethod, 0, ""},
		{"404 that says success", 404, nil, updateOK, ClassMisconfigured, ClassAmbiguous, ScopeAccountMethod, 0, ""},
		{"413", 413, nil, "", ClassMisconfigured, ClassAmbiguous, ScopeAccountMethod, 0, ""},
		{"304", 304, nil, "", ClassMisconfigured, ClassMisconfigured, ScopeAccountMethod, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := statusServer(t, c.status, c.header, c.body)
			for _, repeatable := range []bool{true, false} {
				typ := withRepeatable(typeOf(t, "top.logisticsorder.status.v1"), repeatable)
				want := c.class
				if !repeatable {
					want = c.notRepeatable
				}
				r := client.Call(t.Context(), testAccount(), typ, Payload{})
				scope := c.scope
				if want == ClassAmbiguous {
					scope = ScopeNone
				}
				if r.Class != want || r.Scope != scope || r.Wait != c.wait || r.Code != c.code || r.Status != c.status || !r.Written {
					t.Errorf("repeatable %t: %+v, want class %s", repeatable, r, want)
				}
				if proven := c.code == "7" || c.code == "25" || c.status == 429 || c.status == 304; r.NothingRan != proven {
					t.Errorf("nothing ran: %t", r.NothingRan)
				}
				if r.Duration <= 0 {
					t.Errorf("duration %s", r.Duration)
				}
			}
		})
	}
}

// TestRedirectsAreNotFollowed sends nothing to where a redirect points.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		client := statusServer(t, status, map[string]string{"Location": other.URL + "/?" + testSecret}, "")
		for _, repeatable := range []bool{true, false} {
			r := client.Call(t.Context(), testAccount(), withRepeatable(typeOf(t, "top.logisticsorder.status.v1"), repeatable), Payload{})
			class, scope := ClassMisconfigured, ScopeAccountMethod
			if status == 303 && !repeatable { // it points to the result of a call that ran
				class, scope = ClassAmbiguous, ScopeNone
			}
			if r.Class != class || r.Scope != scope || r.Status != status || !r.Written || r.NothingRan != (status != 303) {
				t.Errorf("%d: %+v", status, r)
			}
			if r.Err == nil || strings.Contains(r.Err.Error(), "canary") || strings.Contains(r.Err.Error(), other.URL) {
				t.Errorf("%d: error %v", status, r.Err)
			}
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

// TestCancelledByTheCaller costs no attempt, whatever the type.
func TestCancelledByTheCaller(t *testing.T) {
	arrived := make(chan struct{}, 3)
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-r.Context().Done()
	}))
	defer gateway.Close()
	client := testClient(t, Options{Gateway: gateway.URL})
	create := typeOf(t, "top.serviceorder.create.v1")

	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if r := client.Call(ctx, testAccount(), create, Payload{}); r.Class != ClassCancelled || !r.Written || r.NothingRan || r.Err == nil {
		t.Errorf("while the call ran: %+v", r)
	}
	if r := client.Call(ctx, testAccount(), create, Payload{}); r.Class != ClassCancelled || r.Written || !r.NothingRan {
		t.Errorf("before the call: %+v", r)
	}
	deadline, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if r := client.Call(deadline, testAccount(), create, Payload{}); r.Class != ClassCancelled {
		t.Errorf("the caller's deadline is not the attempt's: %+v", r)
	}
}

func TestMethodOptionsAddCodes(t *testing.T) {
	client := statusServer(t, 200, nil, `{"result":{"success":false,"msg_code":"777","display_msg":"x"}}`)
	update := typeOf(t, "top.logisticsorder.status.v1")
	for want, o := range map[Class]MethodOptions{
		ClassRejected:  {},
		ClassTransient: {TransientCodes: []string{"777"}},
		ClassOK:        {DuplicateCodes: []string{"777"}},
	} {
		client.options.Methods = map[string]MethodOptions{update.Method: o}
		if r := client.Call(t.Context(), testAccount(), update, Payload{}); r.Class != want || r.Code != "777" {
			t.Errorf("%+v, want class %s", r, want)
		}
	}
	if !slices.Contains(typeOf(t, "top.deliveryorder.status.v1").TransientCodes, "1100") {
		t.Error("the shipped code 1100 is gone from the schema")
	}
}
