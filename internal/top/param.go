package top

import (
	"slices"
	"strings"
	"time"
)

// Names of the system parameters.
const (
	ParamAppKey       = "app_key"
	ParamCustomerID   = "customerId" // Qimen 1.0 only
	ParamFormat       = "format"
	ParamMethod       = "method"
	ParamPartnerID    = "partner_id"
	ParamSession      = "session"
	ParamSign         = "sign"
	ParamSignMethod   = "sign_method"
	ParamSimplify     = "simplify"
	ParamTargetAppKey = "target_app_key" // calls to another provider's API
	ParamTimestamp    = "timestamp"
	ParamVersion      = "v"
)

// Version is the value of the parameter v.
const Version = "2.0"

// TimestampLayout is the layout of the parameter timestamp and of all dates, in Zone.
const TimestampLayout = "2006-01-02 15:04:05"

// Zone is the platform's time: GMT+8 all the year. Asia/Shanghai is another zone: it had summer time.
var Zone = time.FixedZone("GMT+8", 8*60*60)

// Param is one parameter of a call. Its value is the text before URL encoding.
type Param struct {
	Name, Value string
}

// IsSystemParam tells whether a name belongs to the platform, so that no business parameter may use it.
func IsSystemParam(name string) bool {
	switch name {
	case ParamAppKey, ParamCustomerID, ParamFormat, ParamMethod, ParamPartnerID, ParamSession, ParamSign,
		ParamSignMethod, ParamSimplify, ParamTargetAppKey, ParamTimestamp, ParamVersion:
		return true
	}
	return false
}

// Blank tells whether a value is empty or white space only. Blank parameters are neither signed nor sent: the official
// SDKs disagree about them, and leaving them out is right under each.
func Blank(value string) bool {
	return strings.TrimSpace(value) == ""
}

// ResponseName is the name of the root object of a method's JSON reply: tmall.a.b gives tmall_a_b_response; a leading
// "taobao." falls away.
func ResponseName(method string) string {
	return strings.ReplaceAll(strings.TrimPrefix(method, "taobao."), ".", "_") + "_response"
}

// sortParams sorts by name in byte order, as the sign demands.
func sortParams(params []Param) {
	slices.SortStableFunc(params, compareParams)
}

func compareParams(a, b Param) int {
	return strings.Compare(a.Name, b.Name)
}

// appendMerged appends the union of two lists to dst. Both are sorted by name, and so is the result.
func appendMerged(dst, a, b []Param) []Param {
	for len(a) > 0 && len(b) > 0 {
		if b[0].Name < a[0].Name {
			dst, b = append(dst, b[0]), b[1:]
		} else {
			dst, a = append(dst, a[0]), a[1:]
		}
	}
	dst = append(dst, a...)
	return append(dst, b...)
}

// appendForm appends the parameters in the form of application/x-www-form-urlencoded.
func appendForm(dst []byte, params []Param) []byte {
	for i, p := range params {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = appendFormText(dst, p.Name)
		dst = append(dst, '=')
		dst = appendFormText(dst, p.Value)
	}
	return dst
}

func appendFormText(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.', c == '~':
			dst = append(dst, c)
		case c == ' ':
			dst = append(dst, '+')
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
