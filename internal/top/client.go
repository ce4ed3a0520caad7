package top

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/toprelay/worker/schemas"
)

// Value is a secret that may change while the worker runs. It is asked at each call.
type Value interface{ Value() string }

// Account signs calls.
type Account struct {
	Name    string
	AppKey  string
	Secret  Value
	Session Value // nil: the account has no authorisation
}

// Options configure a Client.
type Options struct {
	Gateway      string        // URL of the TOP gateway; empty: such calls are misconfigured
	QimenGateway string        // URL of the Qimen gateway; empty: such calls are misconfigured
	TargetAppKey string        // app key of the provider that Qimen calls go to
	CustomerID   string        // customerId of Qimen calls; empty: not sent
	SignMethod   SignMethod    // default hmac-sha256
	Timeout      time.Duration // of one attempt, reply included; default 15 s
	Concurrency  int           // calls in flight that keep a connection; default 256
	Methods      map[string]MethodOptions
	Now          func() time.Time // default time.Now
}

// MethodOptions differ from the options of all methods.
type MethodOptions struct {
	Timeout        time.Duration // 0: Options.Timeout
	SignMethod     SignMethod    // empty: Options.SignMethod
	TransientCodes []string      // business codes to retry, beside the schema's
	DuplicateCodes []string      // business codes that mean "accepted before", beside the schema's
}

// Client makes calls. It is safe for concurrent use.
type Client struct {
	options   Options
	transport *http.Transport
	plain     *endpoint // nil: not configured
	qimen     *endpoint // nil: not configured
	large     chan struct{}
}

// NewClient checks the options and makes a client. It opens no connection.
func NewClient(o Options) (*Client, error) {
	if o.SignMethod == "" {
		o.SignMethod = SignHMACSHA256
	}
	if o.Timeout == 0 {
		o.Timeout = 15 * time.Second
	}
	if o.Concurrency == 0 {
		o.Concurrency = 256
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Timeout < 0 || o.Concurrency < 0 {
		return nil, errors.New("top client: timeout and concurrency must be positive")
	}
	longest := o.Timeout
	if _, err := ParseSignMethod(string(o.SignMethod)); err != nil {
		return nil, fmt.Errorf("top client: %w", err)
	}
	for method, m := range o.Methods {
		if _, err := ParseSignMethod(string(m.SignMethod)); err != nil {
			return nil, fmt.Errorf("top client: method %s: %w", method, err)
		}
		if m.Timeout < 0 {
			return nil, fmt.Errorf("top client: method %s: timeout must be positive", method)
		}
		longest = max(longest, m.Timeout)
	}
	c := &Client{options: o, transport: newTransport(o.Concurrency, longest), large: make(chan struct{}, largeSlots)}
	var err error
	if c.plain, err = newEndpoint(o.Gateway, "application/x-www-form-urlencoded;charset=utf-8"); err != nil {
		return nil, fmt.Errorf("top client: gateway: %w", err)
	}
	if c.qimen, err = newEndpoint(o.QimenGateway, "text/xml;charset=utf-8"); err != nil {
		return nil, fmt.Errorf("top client: Qimen gateway: %w", err)
	}
	return c, nil
}

func newEndpoint(address, contentType string) (*endpoint, error) {
	if address == "" {
		return nil, nil
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.New("not a URL") // the error of url.Parse prints it
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, errors.New("not an absolute http or https URL")
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return nil, errors.New("the URL must end after its path and hold no password")
	}
	header := http.Header{"Content-Type": {contentType}, "User-Agent": {"toprelay"}}
	return &endpoint{url: u, header: header}, nil
}

// Close closes idle connections. Calls must have ended before.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
}

// Timeout is the longest time that a call of the method takes.
func (c *Client) Timeout(method string) time.Duration {
	return c.methodOptions(method).Timeout
}

// methodOptions are those of one method, with the general ones where it has none.
func (c *Client) methodOptions(method string) MethodOptions {
	o := c.options.Methods[method]
	if o.Timeout == 0 {
		o.Timeout = c.options.Timeout
	}
	if o.SignMethod == "" {
		o.SignMethod = c.options.SignMethod
	}
	return o
}

// Call makes one attempt: it signs anew, sends, reads the reply to its end, and says what it means. It returns within the
// method's time-out and never panics; whatever goes wrong stands in the reply.
func (c *Client) Call(ctx context.Context, a *Account, t *schemas.Type, p Payload) Reply {
	start := time.Now()
	r := c.call(ctx, a, t, p)
	r.fillAdvice(a, t)
	r.Duration = time.Since(start)
	return r
}

var (
	errNoGateway = errors.New("no gateway is configured for this method")
	errNoSecret  = errors.New("the account has no app secret")
	errNoSession = errors.New("the method needs a session and the account has none")
)

func (c *Client) call(ctx context.Context, a *Account, t *schemas.Type, p Payload) Reply {
	e := c.plain
	isQimen := t.Encoding == schemas.EncodingQimenXML
	if isQimen {
		e = c.qimen
	}
	secret := valueOf(a.Secret)
	session := ""
	if t.Session && !isQimen {
		session = valueOf(a.Session)
	}
	switch {
	case e == nil:
		return Reply{Class: ClassMisconfigured, Scope: ScopeMethod, NothingRan: true, Err: errNoGateway, Advice: adviceNoGateway}
	case secret == "":
		return Reply{Class: ClassMisconfigured, Scope: ScopeAppKey, NothingRan: true, Err: errNoSecret, Advice: adviceNoSecret}
	case t.Session && !isQimen && Blank(session):
		return Reply{Class: ClassSession, Scope: ScopeAccount, Immediate: true, NothingRan: true, Err: errNoSession, Advice: adviceNoSession}
	}

	x := newExchange()
	defer x.recycle()
	method := c.methodOptions(t.Method)
	out := attempt{
		account: a, typ: t, payload: p, session: session, endpoint: e, timeout: method.Timeout,
		key: key{method.SignMethod, secret},
	}
	if isQimen {
		c.prepareQimen(x, &out)
	} else {
		c.prepareForm(x, &out)
	}
	c.send(ctx, x, &out)

	r := Reply{Written: x.written, NothingRan: !x.written}
	switch {
	case x.cancelled:
		r.Class, r.Status, r.Err = ClassCancelled, x.status, x.err
	case x.status == 0:
		r.unanswered(t, x.err)
	default:
		r.NothingRan = false
		r.decide(t, x, &method, c.options.Now())
	}
	r.Err = withoutSecrets(r.Err, secret, session, out.sign)
	return r
}

func valueOf(v Value) string {
	if v == nil {
		return ""
	}
	return v.Value()
}
