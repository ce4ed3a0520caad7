package top

import (
	"encoding/json"
	"os"
	"testing"
)

type signVector struct {
	Name          string            `json:"name"`
	Secret        string            `json:"secret"`
	SignMethod    string            `json:"sign_method"`
	Params        map[string]string `json:"params"`
	Body          *string           `json:"body"`
	Sign          string            `json:"sign"`
	SignKeepEmpty string            `json:"sign_keep_empty"`
}

func signVectors(t *testing.T) []signVector {
	t.Helper()
	text, err := os.ReadFile("testdata/sign-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		RequestVectors []signVector `json:"request_vectors"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.RequestVectors) != 24 {
		t.Fatalf("%d request vectors, want 24", len(file.RequestVectors))
	}
	return file.RequestVectors
}

func TestSignVectors(t *testing.T) {
	for _, v := range signVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			method, err := ParseSignMethod(v.SignMethod)
			if err != nil {
				t.Fatal(err)
			}
			var all, sent []Param
			for name, value := range v.Params { // in random order: Sign sorts
				all = append(all, Param{name, value})
				if !Blank(value) {
					sent = append(sent, Param{name, value})
				}
			}
			var body []byte
			if v.Body != nil {
				body = []byte(*v.Body)
			}
			if got := Sign(method, v.Secret, sent, body); got != v.Sign {
				t.Errorf("sign %s, want %s", got, v.Sign)
			}
			if v.SignKeepEmpty != "" {
				if got := Sign(method, v.Secret, all, body); got != v.SignKeepEmpty {
					t.Errorf("sign with blanks %s, want %s", got, v.SignKeepEmpty)
				}
			}
		})
	}
}

func TestSignLeavesOutOnlySign(t *testing.T) {
	params := []Param{{"v", "2.0"}, {"app_key", "1"}}
	want := Sign(SignMD5, "s", params, nil)
	if got := Sign(SignMD5, "s", append(params, Param{"sign", "XYZ"}), nil); got != want {
		t.Errorf("the parameter sign took part: %s, want %s", got, want)
	}
	if params[0].Name != "v" {
		t.Error("Sign sorted its caller's parameters")
	}
	if got := Sign("rot13", "s", params, nil); got != "" {
		t.Errorf("an unknown method signed %q", got)
	}
}

func TestParseSignMethod(t *testing.T) {
	if m, err := ParseSignMethod(""); err != nil || m != SignHMACSHA256 {
		t.Errorf("default %q, %v", m, err)
	}
	for _, name := range []string{"MD5", "sha1", " md5"} {
		if _, err := ParseSignMethod(name); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
}

func TestResponseName(t *testing.T) {
	for method, want := range map[string]string{
		"taobao.logistics.provider.work.order.sync":              "logistics_provider_work_order_sync_response",
		"tmall.servicecenter.workcard.logisticsorder.update":     "tmall_servicecenter_workcard_logisticsorder_update_response",
		"qimen.taobao.logistics.work.order.issue":                "qimen_taobao_logistics_work_order_issue_response",
		"tmall.servicecenter.spserviceorder.create":              "tmall_servicecenter_spserviceorder_create_response",
		"alibaba.taobao.something.that.only.contains.the.prefix": "alibaba_taobao_something_that_only_contains_the_prefix_response",
	} {
		if got := ResponseName(method); got != want {
			t.Errorf("ResponseName(%s) = %s, want %s", method, got, want)
		}
	}
}

// TestSignerIsUsedAgain: what one sign has left changes none of the next.
func TestSignerIsUsedAgain(t *testing.T) {
	var s signer
	params := []Param{{"a", "1"}, {"b", "2"}}
	for range 2 {
		for _, secret := range []string{"one", "another"} {
			for _, m := range []SignMethod{SignMD5, SignHMAC, "smoke", SignHMACSHA256, "smoke", ""} {
				want := ""
				if m != "" {
					want = Sign(m, secret, params, []byte("body"))
				}
				for range 2 {
					if got := s.sign(key{m, secret}, params, []byte("body")); got != want {
						t.Errorf("%s: %q, want %q", m, got, want)
					}
				}
			}
		}
	}
	if got := s.sign(key{}, params, nil); got != "" {
		t.Errorf("no method signed %q", got)
	}
}

func BenchmarkSign(b *testing.B) {
	params := []Param{{"app_key", "12345678"}, {"format", "json"}, {"method", "tmall.ovs.delivery.order.info.send"},
		{"param", `{"platform_order_id":"43546574633","status":"ISSUE_SUCCEEDED","weight":23,"mail_no":"SF1234567890"}`},
		{"sign_method", "hmac-sha256"}, {"timestamp", "2026-03-01 10:30:00"}, {"v", "2.0"}}
	for _, m := range []SignMethod{SignMD5, SignHMAC, SignHMACSHA256} {
		b.Run(string(m), func(b *testing.B) {
			b.ReportAllocs()
			var s signer
			for b.Loop() {
				s.sign(key{m, "test-secret-not-real-0001"}, params, nil)
			}
		})
	}
}
