package top

import (
	"slices"
	"time"

	"github.com/toprelay/worker/schemas"
)

// attempt is one call on its way out.
type attempt struct {
	account  *Account
	typ      *schemas.Type
	payload  Payload
	session  string // empty: not sent
	key      key
	endpoint *endpoint
	timeout  time.Duration

	// What the preparation gives.
	sign  string
	query string // of the URL; no secret and no session
	body  []byte // the transport may read it after the call is over, so that it is never used again
}

// prepareForm puts the system parameters, the business parameters and the sign into the form body, so that nothing of
// them is in the URL.
func (c *Client) prepareForm(x *exchange, a *attempt) {
	system := [...]Param{ // sorted by name
		{ParamAppKey, a.account.AppKey},
		{ParamFormat, "json"},
		{ParamMethod, a.typ.Method},
		{ParamSession, a.session},
		{ParamSignMethod, string(a.key.method)},
		{ParamTimestamp, c.timestamp()},
		{ParamVersion, Version},
	}
	ofSystem := system[:]
	if a.session == "" {
		ofSystem = slices.DeleteFunc(ofSystem, func(p Param) bool { return p.Name == ParamSession })
	}
	x.params = appendMerged(x.params, ofSystem, a.payload.Params)
	a.sign = x.signer.sign(a.key, x.params, nil)
	x.text = appendForm(x.text[:0], append(x.params, Param{ParamSign, a.sign}))
	a.body = slices.Clone(x.text)
}

// prepareQimen puts the system parameters into the query: neither secret nor session is among them. The body is signed
// as it is.
func (c *Client) prepareQimen(x *exchange, a *attempt) {
	x.params = append(x.params, Param{ParamAppKey, a.account.AppKey})
	if c.options.CustomerID != "" {
		x.params = append(x.params, Param{ParamCustomerID, c.options.CustomerID})
	}
	x.params = append(x.params,
		Param{ParamFormat, "xml"},
		Param{ParamMethod, a.typ.Method},
		Param{ParamSignMethod, string(a.key.method)},
	)
	if c.options.TargetAppKey != "" {
		x.params = append(x.params, Param{ParamTargetAppKey, c.options.TargetAppKey})
	}
	x.params = append(x.params, Param{ParamTimestamp, c.timestamp()}, Param{ParamVersion, Version})
	a.sign = x.signer.sign(a.key, x.params, a.payload.Body)
	x.text = appendForm(x.text[:0], append(x.params, Param{ParamSign, a.sign}))
	a.query, a.body = string(x.text), a.payload.Body
}

func (c *Client) timestamp() string {
	return c.options.Now().In(Zone).Format(TimestampLayout)
}
