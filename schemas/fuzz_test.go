package schemas

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzCheck: whatever the data is, Check does not panic and does not change it; what it sends passes another check and
// comes out the same (normalising is idempotent), with the same key and id; a violation points into the data, or at a
// member that is missing there.
func FuzzCheck(f *testing.F) {
	c, err := Load("")
	if err != nil {
		f.Fatal(err)
	}
	types := c.Types()
	index := map[string]int{}
	for i, typ := range types {
		index[typ.Name] = i
	}
	examples, err := Examples()
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range examples {
		var envelope struct{ Data json.RawMessage }
		if err := json.Unmarshal(e.Event, &envelope); err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(index[e.Type]), uint8(len(e.Name)), string(envelope.Data))
	}
	for _, more := range []string{`{"logistics_order_id":1e999999999,"status_code":"create"}`, `{"logistics_order_id":2.20E1,"status_code":"create",
		"x":{"y":[1.5,null]},"session":"s","sub_express_codes":[""]}`, `{"a/b":{"~":null}}`, `{"logistics_order_id":-0,"status_code":"create","z":[]}`} {
		f.Add(uint8(index[logistics]), uint8(2), more)
	}
	policies := []UnknownFields{UnknownReject, UnknownDrop, UnknownSend}
	f.Fuzz(func(t *testing.T, which, policy uint8, text string) {
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		var data map[string]any
		if dec.Decode(&data) != nil || data == nil {
			return
		}
		typ, unknown := types[int(which)%len(types)], policies[int(policy)%len(policies)]
		before := canonicalText(data)
		typ.Sensitive(data)
		typ.Mask(data)
		checked, v := typ.Check(data, unknown)
		if canonicalText(data) != before {
			t.Fatal("data was changed")
		}
		if v != nil {
			if v.Pointer != "" && !leadsSomewhere(data, v.Pointer) {
				t.Errorf("the pointer %q leads nowhere", v.Pointer)
			}
			return
		}
		again, v := typ.Check(checked.Data, unknown)
		if v != nil {
			t.Fatalf("what is sent is refused: %v", v)
		}
		if a, b := canonicalText(again.Data), canonicalText(checked.Data); a != b {
			t.Errorf("sent %s, then %s", b, a)
		}
		if again.Key != checked.Key || again.ID != checked.ID || again.Dropped != 0 || checked.Key == "" {
			t.Errorf("key %q, id %q, dropped %d; then %q, %q, %d", checked.Key, checked.ID, checked.Dropped, again.Key, again.ID, again.Dropped)
		}
		if key := typ.readableKey(data); key != checked.Key {
			t.Errorf("the readable key is %q, that of the checked data %q", key, checked.Key)
		}
	})
}

// leadsSomewhere says whether all of the pointer but its last name is there.
func leadsSomewhere(data any, pointer string) bool {
	names := strings.Split(pointer[1:], "/")
	for _, name := range names[:len(names)-1] {
		name = pointerUnescapes.Replace(name)
		switch v := data.(type) {
		case map[string]any:
			data = v[name]
		case []any:
			i := 0
			for _, c := range name {
				i = i*10 + int(c-'0')
			}
			if i >= len(v) {
				return false
			}
			data = v[i]
		default:
			return false
		}
	}
	return data != nil
}
