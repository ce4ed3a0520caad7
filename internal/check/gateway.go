package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/toprelay/worker/internal/network"
)

const (
	// skewWarning is how far the clocks may be apart without a word.
	skewWarning = time.Minute
	// skewFailure is where the platform begins to refuse timestamps (reference of the protocol: ten minutes).
	skewFailure = 10 * time.Minute
)

// reply is what a gateway said to a request without parameters.
type reply struct {
	status int
	took   time.Duration
	ahead  time.Duration // how far this machine's clock is ahead of the gateway's
	dated  bool          // the reply said the time
	err    error
}

func (r *run) gateway(ctx context.Context) { r.judgeGateway(ctx, "top.gateway", r.Config.Top.Gateway) }

func (r *run) qimen(ctx context.Context) {
	q := r.Config.Qimen.Outbound
	if q.Gateway == "" {
		r.skip("qimen.outbound.gateway is not set: events for it would wait")
		return
	}
	r.judgeGateway(ctx, "qimen.outbound.gateway", q.Gateway)
	if q.TargetAppKey == "" {
		r.warn("qimen.outbound.target_app_key is not set", "give the app key of the partner that receives the work orders")
	}
}

func (r *run) judgeGateway(ctx context.Context, key, address string) {
	origin, err := originOf(address)
	if err != nil {
		r.skip("not asked: see configuration")
		return
	}
	a := r.ask(ctx, origin)
	switch {
	case a.err != nil:
		r.fail(Unreachable, origin+": "+network.Explain(a.err, r.Timeout), gatewayAdvice(a.err, key))
	case a.status >= http.StatusInternalServerError:
		r.warn(fmt.Sprintf("%s answers with HTTP %d", origin, a.status), "wait, or correct "+key)
	default:
		r.ok("%s answers in %s", origin, max(time.Millisecond, a.took.Round(time.Millisecond)))
	}
}

// clock compares this machine's clock with the gateway's: each call carries the time, and the platform refuses a wrong one.
func (r *run) clock(ctx context.Context) {
	for _, address := range []string{r.Config.Top.Gateway, r.Config.Qimen.Outbound.Gateway} {
		origin, err := originOf(address)
		if err != nil {
			continue
		}
		a := r.ask(ctx, origin)
		if a.err != nil || !a.dated {
			continue
		}
		where, apart := "ahead of", a.ahead.Round(time.Second)
		if apart < 0 {
			where, apart = "behind", -apart
		}
		message := "this machine is " + apart.String() + " " + where + " the clock of " + origin
		switch {
		case apart > skewFailure:
			r.fail(Fault, message+": calls would be refused", "set this machine's clock (NTP)")
		case apart > skewWarning:
			r.warn(message, "set this machine's clock (NTP): from ten minutes on calls are refused")
		default:
			r.ok("within %s of the clock of %s", max(time.Second, apart), origin)
		}
		return
	}
	r.skip("not compared: no gateway has said the time")
}

// originOf is scheme, host and port of a gateway's URL: a request there is nobody's call.
func originOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "", errors.New("no URL")
	}
	return u.Scheme + "://" + u.Host, nil
}

// ask sends one request without parameters and sign, over the proxy that calls would take.
func (r *run) ask(ctx context.Context, origin string) *reply {
	if a, ok := r.replies[origin]; ok {
		return a
	}
	a := r.exchange(ctx, origin)
	r.replies[origin] = a
	return a
}

func (r *run) exchange(ctx context.Context, origin string) *reply {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, origin+"/", nil)
	if err != nil {
		return &reply{err: err}
	}
	sent := r.Now()
	response, err := client.Do(request)
	received := r.Now()
	if err != nil {
		return &reply{err: withoutURL(err)}
	}
	response.Body.Close()
	a := &reply{status: response.StatusCode, took: received.Sub(sent)}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		// The header is cut to the second: in the middle it is half a second behind.
		a.dated, a.ahead = true, sent.Add(a.took/2).Sub(date.Add(time.Second/2))
	}
	return a
}

// withoutURL is what happened, without the request that it happened to.
func withoutURL(err error) error {
	var request *url.Error
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return tls.RecordHeaderError{Msg: "the other side speaks HTTP without TLS"}
	case errors.As(err, &request):
		return request.Err
	default:
		return err
	}
}

func gatewayAdvice(err error, key string) string {
	switch network.Diagnose(err) {
	case network.Untrusted:
		return "install the system's authorities (ca-certificates), or let the proxy's authority be trusted"
	case network.OutOfDate:
		return "set this machine's clock"
	case network.NoTLS:
		return "correct " + key
	case network.Silent, network.NoRoute:
		return "open the firewall for it, set HTTPS_PROXY, or correct " + key
	default:
		return "correct " + key + ", or the way to it (DNS, firewall, HTTPS_PROXY)"
	}
}
