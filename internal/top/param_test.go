package top

import (
	"encoding/xml"
	"net/url"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func params(t *rapid.T, label string) []Param {
	list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Param {
		return Param{rapid.StringMatching(`[a-zA-Z_0-9]{1,6}`).Draw(t, "name"), rapid.String().Draw(t, "value")}
	}), 0, 8).Draw(t, label)
	sortParams(list)
	return list
}

// TestFormIsRead: what appendForm writes is what net/url reads, and escapes as net/url does.
func TestFormIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := params(t, "params")
		got, err := url.ParseQuery(string(appendForm(nil, list)))
		if err != nil {
			t.Fatal(err)
		}
		want := url.Values{}
		for _, p := range list {
			want.Add(p.Name, p.Value)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	})
	for c := range 256 {
		s := string([]byte{byte(c)})
		if got := string(appendFormText(nil, s)); got != url.QueryEscape(s) {
			t.Errorf("byte %#x becomes %s, want %s", c, got, url.QueryEscape(s))
		}
	}
}

// TestMergedIsSorted: the union of two sorted lists is what sorting both together gives.
func TestMergedIsSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := params(t, "a"), params(t, "b")
		want := append(slices.Clone(a), b...)
		sortParams(want)
		if got := appendMerged(nil, a, b); !slices.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}

// TestCharactersComeBack: text in the XML document is the text of the event, or it is refused.
func TestCharactersComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		document, err := appendElement(nil, "a", func(dst []byte) ([]byte, error) { return appendCharacters(dst, text) })
		carried := true
		for _, r := range text {
			carried = carried && xmlCharacter(r)
		}
		if (err == nil) != carried {
			t.Fatalf("error %v, can be carried: %t", err, carried)
		}
		if err != nil {
			return
		}
		var back struct {
			Text string `xml:",chardata"`
		}
		if err := xml.Unmarshal(document, &back); err != nil || back.Text != text {
			t.Fatalf("%q came back as %q, %v", text, back.Text, err)
		}
	})
}

func TestBlank(t *testing.T) {
	for value, want := range map[string]bool{"": true, " \t\r\n": true, "　": true, "\u0085\u00a0": true, "\u200b": false, "0": false, " x ": false} {
		if Blank(value) != want {
			t.Errorf("Blank(%q) = %t", value, !want)
		}
	}
}

func TestSystemParams(t *testing.T) {
	for _, name := range []string{"method", "app_key", "session", "timestamp", "v", "format", "sign_method", "sign", "partner_id", "simplify", "target_app_key", "customerId"} {
		if !IsSystemParam(name) {
			t.Errorf("%s is one", name)
		}
	}
	for _, name := range []string{"source", "memo", "customerid", "Sign", ""} {
		if IsSystemParam(name) {
			t.Errorf("%s is none", name)
		}
	}
}
