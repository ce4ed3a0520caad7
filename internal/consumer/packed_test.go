package consumer

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPack(t *testing.T) {
	for id, size := range map[string]int{
		"": 1, "0": 1, "z": 1, "000000000000": 8, "qm4gsz5vk7rl": 8, "0000000000000": 9, "16dgkw8ufw2ei": 9, "zzzzzzzzzzzzz": 9,
		strings.Repeat("0", 24): 16, strings.Repeat("z", 24): 16,
	} {
		b, ok := pack([]byte("before"), id)
		if got := strings.TrimPrefix(string(b), "before"); !ok || len(got) != size || unpack([]byte(got)) != id {
			t.Errorf("%q takes %d bytes, want %d, and comes back as %q", id, len(got), size, unpack([]byte(got)))
		}
	}
	for _, id := range []string{strings.Repeat("0", 25), "A", "a-b", "a b", "\x00", "é", "{"} {
		if b, ok := pack(nil, id); ok || len(b) > 0 {
			t.Errorf("%q was packed", id)
		}
	}
}

func TestUnpack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[0-9a-z]{0,24}`).Draw(t, "id")
		if b, ok := pack(nil, id); !ok || unpack(b) != id {
			t.Fatalf("%q comes back as %q", id, unpack(b))
		}
		unpack(rapid.SliceOf(rapid.Byte()).Draw(t, "any")) // is no crash
	})
}
