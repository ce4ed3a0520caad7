package top

import (
	"strings"

	"github.com/toprelay/worker/schemas"
)

// What to look at, where it is said more than once or of no code. {account} and {gateway} stand for the account's name and
// for the configuration key of the gateway. An operator reads it: it never holds a text of the platform.
const (
	renewSession = "renew the authorisation, and write the new session to top.accounts.{account}.session_file"
	passes       = "it passes by itself; lower top.rate_limit where it comes often"
	lostOnTheWay = "check {gateway}, and what stands between here and the platform: a part of the call is lost on the way"
	compare      = "compare the events that were refused with the API's page"
	readLetters  = "read the message of the dead letters"

	adviceStatus    = "this is no answer of the platform: check {gateway}, and what stands between here and the platform"
	adviceNoGateway = "set {gateway}"
	adviceNoSecret  = "write the app secret to top.accounts.{account}.app_secret_file"
	adviceNoSession = "set top.accounts.{account}.session_file"
)

// GatewayKey is the configuration key of the gateway that a type's calls go to.
func GatewayKey(t *schemas.Type) string {
	if t.Encoding == schemas.EncodingQimenXML {
		return "qimen.outbound.gateway"
	}
	return "top.gateway"
}

// fillAdvice puts the names into the advice.
func (r *Reply) fillAdvice(a *Account, t *schemas.Type) {
	if strings.Contains(r.Advice, "{") {
		r.Advice = strings.NewReplacer("{account}", a.Name, "{gateway}", GatewayKey(t)).Replace(r.Advice)
	}
}
