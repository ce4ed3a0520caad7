package simulator

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxSkew is how far a timestamp may be from the simulator's clock, both ways.
const maxSkew = 10 * time.Minute

// gmt8 is the platform's zone. It has no summer time, Asia/Shanghai had.
var gmt8 = time.FixedZone("GMT+8", 8*60*60)

// examine makes the gateway's checks in the platform's order (protocol page, section 9 item 4) and returns the first
// refusal. Faults that answer with a code or a ban act where the platform's own limits do, after sign and permission.
func (s *Simulator) examine(c *call) *PlatformError {
	if c.verb != http.MethodPost && c.verb != http.MethodGet {
		return refuse(9, "", "")
	}
	if c.defect != nil {
		return c.defect
	}
	if c.system.method == "" {
		return refuse(21, "", "")
	}
	if c.api == nil {
		return refuse(22, "", "")
	}
	if c.system.appKey == "" {
		return refuse(28, "", "")
	}
	app := s.app(c.system.appKey)
	if app == nil {
		return refuse(29, "", "")
	}
	switch c.system.version {
	case "2.0":
	case "":
		return refuse(32, "", "")
	default:
		return refuse(33, "", "")
	}
	switch c.system.format {
	case "", "xml", "json":
	default:
		return refuse(23, "", "")
	}
	if c.system.timestamp == "" {
		return refuse(30, "", "")
	}
	if sent, ok := parseTimestamp(c.system.timestamp); !ok || sent.Sub(c.time).Abs() > maxSkew {
		return refuse(31, "", "")
	}
	if c.system.sign == "" {
		return refuse(24, "", "")
	}
	if !signed(c, app.Secret) {
		return refuse(25, "", "")
	}
	if !app.permits(c.system.method) {
		return refuse(11, "isv.permission-api-package-limit", "The app has no permission for this method")
	}
	if refusal := s.faults.refusal(c); refusal != nil {
		return refusal
	}
	if refusal := s.limits.take(c); refusal != nil {
		return refusal
	}
	if c.api.Session {
		if refusal := s.checkSession(c, app); refusal != nil {
			return refusal
		}
	}
	if c.gateway == gatewayQimenCloud && c.system.targetAppKey == "" {
		return missingArgument("target_app_key")
	}
	return c.readArguments().refusal
}

// parseTimestamp reads both forms that the platform takes: date and time in GMT+8, and milliseconds since 1970.
func parseTimestamp(text string) (time.Time, bool) {
	if len(text) == len(time.DateTime) {
		t, err := time.ParseInLocation(time.DateTime, text, gmt8)
		return t, err == nil
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 0 {
		return time.Time{}, false
	}
	return time.UnixMilli(ms), true
}

// checkSession verifies the session of a method that needs one. Sub codes as in the protocol page, section 8.1.
func (s *Simulator) checkSession(c *call, app *app) *PlatformError {
	token := c.system.session
	switch {
	case !c.system.hasSession || token == "":
		return refuse(26, "", "")
	case strings.TrimSpace(token) == "":
		return refuse(27, "session-is-blank", "")
	case app.sessions[token]:
		return nil
	case app.expired[token]:
		return refuse(27, "session-expired", "")
	case s.sessionOfAnother(token):
		return refuse(27, "sessionkey-not-generated-by-server", "")
	}
	return refuse(27, "invalid-sessionkey", "")
}
