package simulator

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
)

// FuzzRequest sends anything to any entrance, signed well where it can be. The reply must be well-formed, and the log
// must stay readable.
func FuzzRequest(f *testing.F) {
	for _, d := range []*draft{update(nil), create(nil), syncOrder(nil), ovs(nil)} {
		form := url.Values{}
		for name, value := range d.params {
			form.Set(name, value)
		}
		f.Add("POST", PathTOP, d.system["method"], "json", form.Encode(), d.contentType, "", true)
	}
	f.Add("POST", PathQimenCloud, methodIssue, "xml", issueBody, "text/xml", "target_app_key=1", true)
	f.Add("POST", PathQimenService, methodIssue, "json", `{"request":{"status":1,"attachments":{"x":["a"]}}}`, "application/json", "", true)
	f.Add("GET", PathTOP, methodUpdate, "", "", "", "a=b&a=c&%zz=%", false)
	f.Add("PUT", PathTOP, "", "xml", "\xff\x00", "multipart/form-data", "sign=&&==&", false)
	f.Add("POST", PathQimenCloud, methodIssue, "xml", "<response><request><attachments><a/></attachments><a", "text/xml; charset=gbk", "", true)
	loaded, err := catalogue()
	if err != nil {
		f.Fatal(err)
	}
	s, err := New(Options{Apps: map[string]App{testKey: {Secret: testSecret, Sessions: []string{testSession}}}, Catalogue: loaded, KeepCalls: 4})
	if err != nil {
		f.Fatal(err)
	}
	if err := s.SetFaults([]Fault{{Match: Match{Key: "x"}, Action: Action{Code: 10}}}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, verb, path, method, format, body, contentType, query string, sign bool) {
		switch path {
		case PathTOP, PathQimenCloud, PathQimenService:
		default:
			path = PathTOP
		}
		switch verb {
		case http.MethodGet, http.MethodPost, http.MethodPut:
		default:
			verb = http.MethodPost
		}
		if sign {
			query += "&" + url.Values{
				"method": {method}, "format": {format}, "app_key": {testKey}, "session": {testSession}, "v": {"2.0"}, "sign_method": {"hmac-sha256"},
				"timestamp": {s.options.Now().In(gmt8).Format("2006-01-02 15:04:05")},
			}.Encode()
			query += "&sign=" + signOf(path, contentType, query, body)
		}
		r := &http.Request{
			Method: verb, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{"Content-Type": {contentType}},
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		switch w.Header().Get("Content-Type") {
		case typeJSON[0]:
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("no JSON: %s", w.Body)
			}
		case typeXML[0]:
			decoder := xml.NewDecoder(w.Body)
			for {
				if _, err := decoder.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("no XML: %v", err)
				}
			}
		default:
			t.Errorf("Content-Type %q", w.Header().Get("Content-Type"))
		}
		if calls := s.Calls(); calls[len(calls)-1].Reply == "" {
			t.Error("the log has no reply")
		}
	})
}

func signOf(path, contentType, query, body string) string {
	entrance := gatewayTOP
	if path != PathTOP {
		entrance = gatewayQimenCloud
	}
	params, _ := parsePairs(nil, query)
	raw := ""
	switch contentKind(contentType, entrance) {
	case contentForm:
		params, _ = parsePairs(params, body)
	case contentRaw:
		raw = body
	case contentUnknown:
	}
	sortParams(params)
	sign, _ := signature("hmac-sha256", testSecret, params, raw)
	return sign
}

// FuzzFaults puts anything in force. What is taken must be shown in a form that is taken again.
func FuzzFaults(f *testing.F) {
	for _, text := range []string{
		`[{"match":{"method":"` + methodSync + `","key":"P1","app_key":"1","nth":2,"every":3},"times":4,"action":{"ban_seconds":30,"scope":"app"}}]`,
		`[{"action":{"code":15,"sub_code":"isp.x","msg":"m","sub_msg":"s"}},{"action":{"status":503,"body":"<html>"}}]`,
		`[{"action":{"delay":"2s"}},{"action":{"cut":"before"}},{"action":{"garbage":"html"}}]`,
		`[{"action":{"business":{"success":false,"n":9007199254740993,"l":[1,"/"],"x":null,"o":{"a":1e400}}}}]`,
		`[{"match":null,"times":null,"action":{"code":null}}]`, `[`, `null`, "[\"\xff\"]",
	} {
		f.Add([]byte(text))
	}
	loaded, err := catalogue()
	if err != nil {
		f.Fatal(err)
	}
	s, err := New(Options{Catalogue: loaded})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		faults, err := parseFaults(text, s.apis)
		if err != nil {
			if _, ok := errors.AsType[*faultError](err); !ok {
				t.Errorf("an error without a place: %v", err)
			}
			return
		}
		shown := []faultJSON{}
		for i := range faults {
			shown = append(shown, faults[i].wire())
		}
		again, err := jsonv2.Marshal(shown)
		if err != nil {
			t.Fatal(err)
		}
		taken, err := parseFaults(again, s.apis)
		if err != nil || !reflect.DeepEqual(taken, faults) {
			t.Errorf("%s, then %s: %v", text, again, err)
		}
	})
}
