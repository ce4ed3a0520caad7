package redact

import (
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	tests := []struct {
		name      string
		s         string
		sensitive []string
		want      string
	}{
		{"nothing to mask", "订单 LW123456 不存在", nil, "订单 LW123456 不存在"},
		{"a value", "买家 王小五 已取消", []string{"王小五"}, "买家 *** 已取消"},
		{"each occurrence", "a secret b secret", []string{"secret"}, "a *** b ***"},
		{"longest first", "杭州市余杭区五常街道1号", []string{"杭州市", "杭州市余杭区五常街道1号"}, "***"},
		{"one pass: a replacement is not searched again", "ab**", []string{"ab", "***"}, "*****"},
		{"one character is no value", "王 in 王府", []string{"王"}, "王 in 王府"},
		{"blanks around a value do not count", "to 王小五.", []string{" 王小五 "}, "to ***."},
		{"empty values", "abc", []string{"", "  "}, "abc"},
		{"echoed as HTML", "don&apos;t &amp; won&#39;t", []string{"don't & won't", "don't"}, "*** &amp; won&#39;t"},
		{"echoed as HTML whole", "x don&#39;t &amp; y", []string{"don't & y"}, "x ***"},
		{"echoed in a URL", "Get http://h/?session=a%2Fb%3D: refused", []string{"a/b="}, "Get http://h/?session=***: refused"},
		{"echoed as JSON", `bad \"quoted\"`, []string{`"quoted"`}, `bad ***`},
		{"mobile", "请联系13012345623。", nil, "请联系13*******23。"},
		{"mobile with country code", "+8613012345623 008613012345623", nil, "+8613*******23 008613*******23"},
		{"mobile with separators", "130-1234-5623, 130 1234 5623", nil, "13*-****-**23, 13* **** **23"},
		{"two mobiles", "13000000000/13100000000", nil, "13*******00/13*******00"},
		{"digits of a longer run are no mobile", "order 9013012345623 x 130123456231", nil, "order 9013012345623 x 130123456231"},
		{"no mobile prefix", "12012345623", nil, "12012345623"},
		{"land line", "0580-1234542 010-12345678", nil, "0580-****542 010-*****678"},
		{"identity number", "身份证11010519491231002X号", nil, "身份证1****************X号"},
		{"identity number of digits", "440524188001010014", nil, "440524188001010014"},
		{"identity number with a wrong check digit is an id", "110105194912310021", nil, "110105194912310021"},
		{"value before number", "13012345623", []string{"13012345623"}, "***"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Text(tt.s, tt.sensitive); got != tt.want {
				t.Errorf("Text = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestIdentityCheckDigit(t *testing.T) {
	for id, want := range map[string]bool{
		"11010519491231002X": true, "11010519491231002x": true, "440524198001010013": true,
		"110105194913310020": false, "110105184912310028": false, "110105194912320028": false, "440524198001010014": false,
	} {
		if got := isIdentity(id); got != want {
			t.Errorf("isIdentity(%s) = %v, want %v", id, got, want)
		}
	}
}

func TestValue(t *testing.T) {
	tests := []struct{ kind, s, want string }{
		{KindName, "陈小平", "陈*平"},
		{KindName, "王五", "王*"},
		{KindName, "李", "*"},
		{KindName, "欧阳小明", "欧**明"},
		{KindMobile, "13012345623", "13*******23"},
		{KindMobile, "177xxxxxxxx", "17*******xx"},
		{KindMobile, "12345", "***"},
		{KindAddress, "白虎路12-3", "白虎路*-*"},
		{KindAddress, "五常街道A座1203室", "五常街道*座*室"},
		{KindAddress, "浙江省", "浙*"},
		{KindText, "放门口", "***"},
		{"other", "x", "***"},
		{KindName, "", ""},
		{KindText, "  ", "  "},
	}
	for _, tt := range tests {
		if got := Value(tt.kind, tt.s); got != tt.want {
			t.Errorf("Value(%s, %q) = %q, want %q", tt.kind, tt.s, got, tt.want)
		}
	}
	for _, kind := range Kinds() {
		if got := Value(kind, "13012345623"); strings.Contains(got, "12345") {
			t.Errorf("Value(%s) shows the middle of a number: %q", kind, got)
		}
	}
}

// A text of digits only must not cost its square: it comes from outside.
func TestLongRunOfDigits(t *testing.T) {
	long := strings.Repeat("13012345678", 20000)
	if got := Text(long, nil); got != long {
		t.Error("a long run of digits is no number")
	}
}

func FuzzText(f *testing.F) {
	f.Add("请联系13012345623 王小五", "王小五")
	f.Add("0580-1234542", "")
	f.Add("11010519491231002X", "ab")
	f.Fuzz(func(t *testing.T, s, secret string) {
		got := Text(s, []string{secret})
		trimmed := strings.TrimSpace(secret)
		// The mask itself may spell a value of stars again.
		if len([]rune(trimmed)) >= shortest && !strings.ContainsAny(trimmed, "*") && strings.Contains(got, trimmed) {
			t.Errorf("the value is still there: %q in %q", trimmed, got)
		}
	})
}
