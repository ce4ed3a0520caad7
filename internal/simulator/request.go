package simulator

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxBody bounds a request body, in bytes. A larger one is answered with HTTP 413.
const maxBody = 4 << 20

var errBodyTooLarge = errors.New("request body over 4 MiB")

// gateway is the entrance that a call came in by.
type gateway uint8

const (
	gatewayTOP          gateway = iota // /router/rest
	gatewayQimenCloud                  // /router/qm
	gatewayQimenService                // /router/qimen/service
)

// call is one request on its way through the simulator.
type call struct {
	gateway gateway
	verb    string
	time    time.Time
	query   string  // as received
	form    string  // form body as received
	body    string  // raw body that takes part in the sign: JSON, XML or plain text
	params  []param // query and form together, decoded, sorted by name
	system  system
	defect  *PlatformError // the parameters could not be read
	api     *api           // nil: no such method at this gateway

	argumentsRead bool
	arguments     arguments
}

// readCall reads the request. An error is one of the transport: the body broke off, or errBodyTooLarge.
func (s *Simulator) readCall(r *http.Request, entrance gateway) (*call, error) {
	text, err := readBody(r)
	if err != nil {
		return nil, err
	}
	c := &call{gateway: entrance, verb: r.Method, time: s.options.Now(), query: r.URL.RawQuery}
	c.params = make([]param, 0, 24)
	c.params, c.defect = parsePairs(c.params, c.query)
	switch kind := contentKind(r.Header.Get("Content-Type"), entrance); {
	case text == "":
	case kind == contentForm:
		c.form = text
		if c.defect == nil {
			c.params, c.defect = parsePairs(c.params, text)
		}
	case kind == contentRaw:
		c.body = text
	default:
		c.defect = refuse(43, "", "the content type is neither a form nor JSON nor XML")
	}
	sortParams(c.params)
	if name, repeated := repeatedName(c.params); repeated && c.defect == nil {
		c.defect = refuse(43, "", "a parameter was sent twice: "+name)
	}
	c.system = readSystem(c.params)
	if known := s.apis[c.system.method]; known != nil && known.isQimen() == (entrance != gatewayTOP) {
		c.api = known
	}
	return c, nil
}

func readBody(r *http.Request) (string, error) {
	switch {
	case r.ContentLength > maxBody:
		return "", errBodyTooLarge
	case r.ContentLength >= 0:
		b := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, b); err != nil {
			return "", err
		}
		return string(b), nil
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if len(b) > maxBody {
		return "", errBodyTooLarge
	}
	return string(b), err
}

type content uint8

const (
	contentUnknown content = iota
	contentForm
	contentRaw
)

// contentKind decides whether a body is a form, or a text that the sign covers. Without a content type the gateway
// of TOP takes it for a form, that of Qimen for a text.
func contentKind(contentType string, entrance gateway) content {
	media, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(media)) {
	case "application/x-www-form-urlencoded":
		return contentForm
	case "application/json", "text/xml", "application/xml", "text/plain":
		return contentRaw
	case "":
		if entrance == gatewayTOP {
			return contentForm
		}
		return contentRaw
	}
	return contentUnknown
}

// wantsJSON tells the format of the reply. XML is the platform's default, for errors too.
func (c *call) wantsJSON() bool { return c.system.format == "json" }
