package schemas

import (
	"math/big"
	"strings"
	"testing"
)

func TestParseNumber(t *testing.T) {
	tests := []struct {
		s    string
		want int64
		ok   bool
	}{
		{"0", 0, true}, {"-0", 0, true}, {"0.0", 0, true}, {"0e5", 0, true}, {"0e999999999999", 0, true}, {"-0.00E-7", 0, true},
		{"22", 22, true}, {"-22", -22, true}, {"22.0", 22, true}, {"22.000", 22, true}, {"1E3", 1000, true}, {"1e+3", 1000, true},
		{"1.5e1", 15, true}, {"1.50e1", 15, true}, {"0.001e3", 1, true}, {"120e-1", 12, true}, {"100e-2", 1, true},
		{"9007199254740993", 9007199254740993, true}, {"9007199254740993.0", 9007199254740993, true},
		{"9223372036854775807", 9223372036854775807, true}, {"-9223372036854775808", -9223372036854775808, true},
		{"9.223372036854775807e18", 9223372036854775807, true}, {"922337203685477580.7e1", 9223372036854775807, true},
		{"1" + strings.Repeat("0", 400) + "e-400", 1, true}, {"0." + strings.Repeat("0", 400) + "1e401", 1, true},
		{"9223372036854775808", 0, false}, {"-9223372036854775809", 0, false}, {"18446744073709551616", 0, false},
		{"1e19", 0, false}, {"99999999999999999999", 0, false}, {"1e999999999", 0, false}, {"1e99999999999999999999999999", 0, false},
		{"1e-99999999999999999999999999", 0, false}, {"22.5", 0, false}, {"1e-1", 0, false}, {"15e-1", 0, false}, {"0.1", 0, false},
		{"", 0, false}, {"-", 0, false}, {"+1", 0, false}, {"01", 0, false}, {"1.", 0, false}, {".5", 0, false}, {"1e", 0, false},
		{"1e+", 0, false}, {"0x10", 0, false}, {"1 ", 0, false}, {"NaN", 0, false}, {"1_000", 0, false},
	}
	for _, tt := range tests {
		if got, ok := parseNumber(tt.s); got != tt.want || ok != tt.ok {
			t.Errorf("parseNumber(%.40s) = %d, %v, want %d, %v", tt.s, got, ok, tt.want, tt.ok)
		}
		if isCanonical(tt.s) && (!tt.ok || string(decimal(tt.want)) != tt.s) {
			t.Errorf("isCanonical(%s)", tt.s)
		}
	}
}

// FuzzNumber compares with the exact arithmetic of math/big, where that is not absurd.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"22.0", "1E3", "-9223372036854775808", "1e19", "0.5", "12300e-2", "1e400"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseNumber(s)
		_, rest, _ := strings.Cut(strings.ToLower(s), "e")
		if len(rest) > 4 || strings.ContainsAny(s, "_/xXpPbBoO") {
			return
		}
		exact, is := new(big.Rat).SetString(s)
		want := is && exact.IsInt() && exact.Num().IsInt64()
		if ok && (!want || exact.Num().Int64() != got) {
			t.Errorf("parseNumber(%q) = %d", s, got)
		}
	})
}
