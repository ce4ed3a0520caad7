package simulator

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

type vectors struct {
	Requests []struct {
		Name, Secret  string
		SignMethod    string `json:"sign_method"`
		Params        map[string]string
		Body          *string
		Sign          string
		SignKeepEmpty string `json:"sign_keep_empty"`
	} `json:"request_vectors"`
	Receivers []struct {
		Name, Secret string
		HTTPMethod   string `json:"http_method"`
		ContentType  string `json:"content_type"`
		QueryString  string `json:"query_string"`
		Body         string
		CorrectSign  string `json:"correct_sign"`
		ExpectValid  bool   `json:"expect_valid"`
	} `json:"receiver_vectors"`
}

func loadVectors(t *testing.T) vectors {
	t.Helper()
	text, err := os.ReadFile("testdata/sign-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Requests) != 24 || len(v.Receivers) != 9 {
		t.Fatalf("%d and %d vectors, want 24 and 9", len(v.Requests), len(v.Receivers))
	}
	return v
}

// The vectors drop blanks, the platform signs what it receives: with blanks dropped the one sign, as sent the other.
func TestSignatureOfVectors(t *testing.T) {
	kept := 0
	for _, v := range loadVectors(t).Requests {
		t.Run(v.Name, func(t *testing.T) {
			var all, dropped []param
			for name, value := range v.Params {
				all = append(all, param{name, value})
				if strings.TrimSpace(name) != "" && strings.TrimSpace(value) != "" {
					dropped = append(dropped, param{name, value})
				}
			}
			sortParams(all)
			sortParams(dropped)
			body := ""
			if v.Body != nil {
				body = *v.Body
			}
			if got, ok := signature(v.SignMethod, v.Secret, dropped, body); got != v.Sign || !ok {
				t.Errorf("sign %s, want %s", got, v.Sign)
			}
			if v.SignKeepEmpty == "" {
				return
			}
			kept++
			if got, _ := signature(v.SignMethod, v.Secret, all, body); got != v.SignKeepEmpty {
				t.Errorf("sign with blanks %s, want %s", got, v.SignKeepEmpty)
			}
		})
	}
	if kept != 3 {
		t.Errorf("%d vectors with blanks, want 3", kept)
	}
}

// The receiver's vectors are md5 over query and raw body, as requests bring them.
func TestSignedAsReceived(t *testing.T) {
	s := newRig(t, nil)
	for _, v := range loadVectors(t).Receivers {
		t.Run(v.Name, func(t *testing.T) {
			r := httptest.NewRequest(v.HTTPMethod, PathQimenCloud+"?"+v.QueryString, strings.NewReader(v.Body))
			r.Header.Set("Content-Type", v.ContentType)
			c, err := s.readCall(r, gatewayQimenCloud)
			if err != nil || c.defect != nil {
				t.Fatal(err, c.defect)
			}
			if got := signed(c, v.Secret); got != v.ExpectValid {
				t.Errorf("signed = %v, want %v", got, v.ExpectValid)
			}
		})
	}
}

func TestUnknownSignMethodIsNeverSigned(t *testing.T) {
	for _, signMethod := range []string{"", "MD5", "sha256", "md5 "} {
		if got, ok := signature(signMethod, "s", nil, ""); ok || got != "" {
			t.Errorf("%q: %q, %v", signMethod, got, ok)
		}
	}
	c := &call{system: system{signMethod: "", sign: ""}}
	if signed(c, "s") {
		t.Error("an empty sign of an unknown method was taken for good")
	}
}

func TestLongBaseStringDoesNotLeakIntoTheNext(t *testing.T) {
	long := []param{{"a", strings.Repeat("x", 200<<10)}}
	first, _ := signature("md5", "s", []param{{"a", "b"}}, "")
	signature("md5", "s", long, "")
	second, _ := signature("md5", "s", []param{{"a", "b"}}, "")
	if first != second {
		t.Errorf("%s, then %s", first, second)
	}
}
