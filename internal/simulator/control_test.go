package simulator

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
)

// control calls /_sim from loopback.
func (r *rig) control(verb, path, body string) (int, string) {
	r.t.Helper()
	request := httptest.NewRequest(verb, path, strings.NewReader(body))
	request.RemoteAddr = "[::1]:4711"
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, request)
	return w.Code, w.Body.String()
}

// Every action of the contract, as it is written and as the simulator understands it.
func TestFaultsOverHTTP(t *testing.T) {
	cases := []struct {
		text string
		want Fault
	}{
		{`{"action":{"code":15,"sub_code":"isp.x","msg":"m","sub_msg":"s"}}`, Fault{Action: Action{Code: 15, SubCode: "isp.x", Msg: "m", SubMsg: "s"}}},
		{`{"match":{},"action":{"code":27}}`, Fault{Action: Action{Code: 27}}},
		{`{"match":{"method":"` + methodSync + `","key":"P1","app_key":"1","nth":2,"every":3},"times":4,"action":{"ban_seconds":30,"scope":"app"}}`,
			Fault{Match{methodSync, "P1", "1", 2, 3}, 4, Action{BanSeconds: 30, Scope: ScopeApp}}},
		{`{"action":{"ban_seconds":1,"scope":"api"}}`, Fault{Action: Action{BanSeconds: 1, Scope: ScopeAPI}}},
		{`{"action":{"ban_seconds":1,"scope":"app-api"}}`, Fault{Action: Action{BanSeconds: 1, Scope: ScopeAppAPI}}},
		{`{"action":{"status":503,"body":"<html>"}}`, Fault{Action: Action{Status: 503, Body: "<html>"}}},
		{`{"action":{"status":429}}`, Fault{Action: Action{Status: 429}}},
		{`{"action":{"delay":"2s"}}`, Fault{Action: Action{Delay: 2 * time.Second}}},
		{`{"action":{"cut":"before"}}`, Fault{Action: Action{Cut: CutBefore}}},
		{`{"action":{"cut":"after"}}`, Fault{Action: Action{Cut: CutAfter}}},
		{`{"action":{"garbage":"html"}}`, Fault{Action: Action{Garbage: GarbageHTML}}},
		{`{"action":{"garbage":"empty"}}`, Fault{Action: Action{Garbage: GarbageEmpty}}},
		{`{"action":{"garbage":"truncated"}}`, Fault{Action: Action{Garbage: GarbageTruncated}}},
		{`{"action":{"garbage":"endless"}}`, Fault{Action: Action{Garbage: GarbageEndless}}},
		{`{"action":{"business":{"success":false,"n":9007199254740993,"l":[1,"/"],"x":null}}}`,
			Fault{Action: Action{Business: map[string]any{"success": false, "n": json.Number("9007199254740993"), "l": []any{json.Number("1"), "/"}, "x": nil}}}},
		{`{"action":{"business":{}}}`, Fault{Action: Action{Business: map[string]any{}}}},
	}
	for _, test := range cases {
		t.Run(test.text, func(t *testing.T) {
			r := newRig(t, nil)
			code, body := r.control(http.MethodPut, PathFaults, "["+test.text+"]")
			if code != http.StatusOK {
				t.Fatalf("%d %s", code, body)
			}
			if got := r.Faults()[0].Fault; !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v\nwant %+v", got, test.want)
			}
			_, shown := r.control(http.MethodGet, PathFaults, "")
			var list []map[string]any
			if err := json.Unmarshal([]byte(shown), &list); err != nil || len(list) != 1 || list[0]["hits"] != 0.0 {
				t.Fatalf("%s %v", shown, err)
			}
			// What is shown, without the hits, makes the same fault again.
			delete(list[0], "hits")
			if test.want.Action.Business == nil {
				again, err := json.Marshal(list)
				if err != nil {
					t.Fatal(err)
				}
				if code, body := r.control(http.MethodPut, PathFaults, string(again)); code != http.StatusOK || !reflect.DeepEqual(r.Faults()[0].Fault, test.want) {
					t.Errorf("again: %d %s", code, body)
				}
			} else if !strings.Contains(shown, `"business": {`) {
				t.Error(shown)
			}
		})
	}
}

func TestBadFaultsAreRefused(t *testing.T) {
	cases := []struct{ text, pointer, words string }{
		{``, "", "no JSON"},
		{`{}`, "", "an array"},
		{`null`, "", "array of faults"},
		{`[{"action":{"code":1}}] x`, "", "no JSON"},
		{`[{"action":{"code":1},"action":{"code":2}}]`, "/0/action", ""},
		{`[5]`, "/0", "an object"},
		{`[{"action":{"code":1}},{"when":1,"action":{"code":1}}]`, "/1/when", "no known member"},
		{`[{"match":{"Method":"x"},"action":{"code":1}}]`, "/0/match/Method", "no known member"},
		{`[{"match":{"method":"no.such"},"action":{"code":1}}]`, "/0/match/method", "no.such"},
		{`[{"match":{"method":""},"action":{"code":1}}]`, "/0/match/method", "must not be empty"},
		{`[{"match":{"key":5},"action":{"code":1}}]`, "/0/match/key", "a string"},
		{`[{"match":{"nth":0},"action":{"code":1}}]`, "/0/match/nth", "1 or more"},
		{`[{"match":{"every":-1},"action":{"code":1}}]`, "/0/match/every", "1 or more"},
		{`[{"match":{"nth":1.5},"action":{"code":1}}]`, "/0/match/nth", "an integer"},
		{`[{"times":0,"action":{"code":1}}]`, "/0/times", "1 or more"},
		{`[{"times":"1","action":{"code":1}}]`, "/0/times", "an integer"},
		{`[{"match":{}}]`, "/0/action", "is missing"},
		{`[{"action":{}}]`, "/0/action", "is none"},
		{`[{"action":{"code":1,"status":500}}]`, "/0/action", "more than one"},
		{`[{"action":{"sub_code":"x"}}]`, "/0/action", "is none"},
		{`[{"action":{"delay":"1s","msg":"x"}}]`, "/0/action", "go with code"},
		{`[{"action":{"code":0}}]`, "/0/action/code", "1 or more"},
		{`[{"action":{"code":"7"}}]`, "/0/action/code", "an integer"},
		{`[{"action":{"ban_seconds":0}}]`, "/0/action/ban_seconds", "1 or more"},
		{`[{"action":{"ban_seconds":86401}}]`, "/0/action/ban_seconds", "86400"},
		{`[{"action":{"ban_seconds":1,"scope":"all"}}]`, "/0/action/scope", "api, app, app-api"},
		{`[{"action":{"ban_seconds":1,"scope":""}}]`, "/0/action/scope", "empty"},
		{`[{"action":{"code":7,"scope":"api"}}]`, "/0/action/scope", "goes with ban_seconds"},
		{`[{"action":{"status":99}}]`, "/0/action/status", "from 200 to 599"},
		{`[{"action":{"status":600}}]`, "/0/action/status", "from 200 to 599"},
		{`[{"action":{"cut":"after","body":"x"}}]`, "/0/action/body", "goes with status"},
		{`[{"action":{"delay":2}}]`, "/0/action/delay", "a string"},
		{`[{"action":{"delay":"2"}}]`, "/0/action/delay", "duration"},
		{`[{"action":{"delay":"-2s"}}]`, "/0/action/delay", "duration"},
		{`[{"action":{"delay":"2h"}}]`, "/0/action/delay", "at most 1h"},
		{`[{"action":{"cut":"now"}}]`, "/0/action/cut", "before, after"},
		{`[{"action":{"garbage":"xml"}}]`, "/0/action/garbage", "endless"},
		{`[{"action":{"business":[]}}]`, "/0/action/business", "an object"},
		{`[{"action":{"business":{"a b":1}}}]`, "/0/action/business", "a b"},
		{`[{"action":{"business":{"":1}}}]`, "/0/action/business", "cannot stand in XML"},
		{`[{"action":{"business":{"a":[{"<":1}]}}}]`, "/0/action/business", "<"},
	}
	r := newRig(t, nil)
	r.setFaults(Fault{Action: Action{Code: 10}})
	for _, test := range cases {
		code, body := r.control(http.MethodPut, PathFaults, test.text)
		var reply struct{ Error, Pointer string }
		if err := json.Unmarshal([]byte(body), &reply); err != nil || code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", test.text, code, body)
			continue
		}
		if reply.Pointer != test.pointer || !strings.Contains(reply.Error, test.words) || reply.Error == "" {
			t.Errorf("%s: %+v, want %s … %s", test.text, reply, test.pointer, test.words)
		}
	}
	if faults := r.Faults(); len(faults) != 1 || faults[0].Action.Code != 10 {
		t.Errorf("a refused array changed the faults: %+v", faults)
	}
}

func TestSetFaultsRefuses(t *testing.T) {
	r := newRig(t, nil)
	for _, f := range []Fault{
		{}, {Match: Match{Nth: -1}, Action: Action{Code: 1}}, {Match: Match{Every: -1}, Action: Action{Code: 1}},
		{Times: -1, Action: Action{Code: 1}}, {Action: Action{Code: -1}}, {Action: Action{BanSeconds: -1}},
		{Action: Action{Delay: -1}}, {Action: Action{Business: map[string]any{"a": make(chan int)}}},
		{Match: Match{Method: "x"}, Action: Action{Code: 1}},
	} {
		err := r.SetFaults([]Fault{{Action: Action{Code: 1}}, f})
		if err == nil || !strings.Contains(err.Error(), "fault /1/") {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

func TestFaultsAreShownCountedAndCleared(t *testing.T) {
	r := newRig(t, nil)
	r.control(http.MethodPut, PathFaults, `[{"times":2,"action":{"code":10}},{"match":{"key":"x"},"action":{"cut":"after"}}]`)
	r.pattern(3, update(nil))
	want := `[{"times":2,"action":{"code":10},"hits":2},{"match":{"key":"x"},"action":{"cut":"after"},"hits":0}]`
	_, body := r.control(http.MethodGet, PathFaults, "")
	if got := strings.NewReplacer("\n", "", " ", "").Replace(body); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if code, _ := r.control(http.MethodDelete, PathFaults, ""); code != http.StatusNoContent {
		t.Errorf("DELETE: %d", code)
	}
	if _, body := r.control(http.MethodGet, PathFaults, ""); strings.TrimSpace(body) != "[]" {
		t.Error(body)
	}
	if code, body := r.control(http.MethodPut, PathFaults, "[]"); code != http.StatusOK || strings.TrimSpace(body) != "[]" {
		t.Errorf("%d %s", code, body)
	}
	if code, body := r.control(http.MethodPut, PathFaults, strings.Repeat(" ", maxFaults+1)); code != http.StatusBadRequest {
		t.Errorf("%d %s", code, body)
	}
}

func TestControlIsForLoopback(t *testing.T) {
	for _, test := range []struct {
		remote  string
		allowed bool
		want    int
	}{
		{"127.0.0.1:1", false, 200}, {"127.8.9.1:1", false, 200}, {"[::1]:1", false, 200}, {"10.0.0.1:1", false, 403},
		{"[2001:db8::1]:1", false, 403}, {"@", false, 403}, {"10.0.0.1:1", true, 200},
	} {
		r := newRig(t, func(o *Options) { o.RemoteControl = test.allowed })
		for _, path := range []string{PathFaults, PathCalls} {
			request := httptest.NewRequest(http.MethodGet, path, nil)
			request.RemoteAddr = test.remote
			w := httptest.NewRecorder()
			r.Handler().ServeHTTP(w, request)
			if w.Code != test.want {
				t.Errorf("%s from %s, allowed %v: %d", path, test.remote, test.allowed, w.Code)
			}
		}
	}
}

func TestOtherVerbsAndPaths(t *testing.T) {
	r := newRig(t, nil)
	for _, test := range []struct {
		verb, path string
		want       int
	}{
		{http.MethodPost, PathFaults, 405}, {http.MethodPut, PathCalls, 405}, {http.MethodGet, "/", 404}, {http.MethodGet, "/_sim", 404},
		{http.MethodPost, "/router", 404},
	} {
		if code, body := r.control(test.verb, test.path, ""); code != test.want {
			t.Errorf("%s %s: %d %s", test.verb, test.path, code, body)
		}
	}
}

func TestCallsOverHTTP(t *testing.T) {
	r := newRig(t, nil)
	r.send(update(map[string]string{"comment": "上门/取件 &"}))
	r.send(issue(issueBody))
	r.send(update(map[string]string{"sign": "x"}))
	_, body := r.control(http.MethodGet, PathCalls, "")
	var calls []struct {
		Seq      int
		Time     time.Time
		Method   string
		AppKey   string `json:"app_key"`
		Params   map[string]string
		Body     string
		Accepted bool
		Reply    string
	}
	if err := json.Unmarshal([]byte(body), &calls); err != nil || len(calls) != 3 {
		t.Fatalf("%v %s", err, body)
	}
	first := calls[0]
	if first.Seq != 1 || !first.Time.Equal(testNow) || first.Method != methodUpdate || first.AppKey != testKey || !first.Accepted ||
		first.Params["comment"] != "上门/取件 &" || first.Params["session"] != testSession || !strings.Contains(first.Reply, `"success":true`) {
		t.Errorf("%+v", first)
	}
	if calls[1].Body != issueBody || calls[1].Params["target_app_key"] != "24000002" || !calls[1].Accepted {
		t.Errorf("%+v", calls[1])
	}
	if calls[2].Accepted || !strings.Contains(calls[2].Reply, `"code":25`) || calls[2].Seq != 3 {
		t.Errorf("%+v", calls[2])
	}
	var members []map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &members); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(sortedNames(members[0]), " "); got != "accepted app_key method params reply seq time" {
		t.Errorf("members %s", got)
	}
	if code, _ := r.control(http.MethodDelete, PathCalls, ""); code != http.StatusNoContent {
		t.Errorf("DELETE: %d", code)
	}
	if _, body := r.control(http.MethodGet, PathCalls, ""); strings.Join(strings.Fields(body), "") != "[]" {
		t.Error(body)
	}
	r.send(update(nil))
	if seq := r.lastCall().Seq; seq != 4 {
		t.Errorf("seq %d after the log was cleared, want 4", seq)
	}
}

// A call whose body is no UTF-8 must not break the list.
func TestCallsWithBytesThatAreNoText(t *testing.T) {
	r := newRig(t, nil)
	r.send(issue("\xff\xfe"))
	_, body := r.control(http.MethodGet, PathCalls, "")
	var calls []Call
	if err := json.Unmarshal([]byte(body), &calls); err != nil || len(calls) != 1 {
		t.Errorf("%v %s", err, body)
	}
}
