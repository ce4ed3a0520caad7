package simulator

import (
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/toprelay/worker/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testKey     = "12345678"
	testSecret  = "test-secret-not-real-0001"
	testSession = "test-session-not-real-0001"

	methodUpdate = "tmall.servicecenter.workcard.logisticsorder.update"
	methodOVS    = "tmall.ovs.delivery.order.info.send"
	methodSync   = "taobao.logistics.provider.work.order.sync"
	methodCreate = "tmall.servicecenter.spserviceorder.create"
	methodIssue  = "qimen.taobao.logistics.work.order.issue"
)

// testNow is what the clock of a rig says first: 2026-03-01 12:00:00 in GMT+8.
var testNow = time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC)

// rig is a simulator with a clock that stands still, called without a network.
type rig struct {
	*Simulator
	t   *testing.T
	now time.Time
}

// catalogue is loaded once: it takes longer than most tests.
var catalogue = sync.OnceValues(func() (*schemas.Catalogue, error) { return schemas.Load("") })

func newRig(t *testing.T, change func(*Options)) *rig {
	t.Helper()
	loaded, err := catalogue()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, now: testNow}
	o := Options{
		Apps:      map[string]App{testKey: {Secret: testSecret, Sessions: []string{testSession}}},
		Catalogue: loaded,
		Now:       func() time.Time { return r.now },
	}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Simulator = s
	return r
}

// draft is a call under construction. It is sent with system parameters in the query and the others in the body.
type draft struct {
	path        string
	verb        string
	system      map[string]string // "-" removes a parameter
	params      map[string]string
	body        string // raw body; its content type is contentType
	contentType string
	secret      string
	header      http.Header
	remote      string
	encode      func(url.Values) string // of the form
	allInQuery  bool
	tamper      func(query url.Values, body *string) // after signing
}

func update(changes map[string]string) *draft {
	return newDraft(methodUpdate, map[string]string{"logistics_order_id": "222233333", "status_code": "create"}, changes)
}

func create(changes map[string]string) *draft {
	return newDraft(methodCreate, map[string]string{
		"service_product_id": "2813", "service_object_type": "50019790", "service_content": "挂装",
		"service_properties": `{"品牌":"海尔"}`, "service_count": "2", "out_order_id": "test1234", "source": "JD",
		"buyer": `{"buyer_name":"xx","mobile":"17700000000","location":"3500","address_town":null}`,
	}, changes)
}

const syncRequest = `{"provider_order_create_time":"2024-11-22 00:00:00","provider_order_code":"P1",` +
	`"provider_order_update_time":"2024-11-22 00:00:00","service_code":"催派送","provider_order_type":1,` +
	`"biz_order_code":"B1","biz_order_type":1,"idempotent_id":"idem-1","extension":null}`

func syncOrder(changes map[string]string) *draft {
	return newDraft(methodSync, map[string]string{"work_order_sync_request": syncRequest}, changes)
}

func ovs(changes map[string]string) *draft {
	return newDraft(methodOVS, map[string]string{"param": `{"platform_order_id":"PO1","status":"PACKAGING","weight":"23"}`}, changes)
}

const issueBody = `<?xml version="1.0" encoding="UTF-8"?><request><customer_type>4</customer_type>` +
	`<work_order_code>LW1</work_order_code><category_code>C</category_code><description>催 &amp; 派</description>` +
	`<biz_order_code>B</biz_order_code><work_order_type>1</work_order_type><work_order_task>` +
	`<task_expire_time>2023-08-23 00:00:00</task_expire_time><structural_replys><structural_replysItem>` +
	`<reply_supplements><reply_supplement><reply_supplementItem><field_label>l</field_label><field_name>n</field_name>` +
	`<field_type>string</field_type><require>true</require><field_value></field_value></reply_supplementItem>` +
	`</reply_supplement></reply_supplements><reply_value>101</reply_value><reply_label>x</reply_label>` +
	`</structural_replysItem></structural_replys><task_start_time>2023-08-22 00:00:00</task_start_time>` +
	`</work_order_task><start_time>2023-08-22 00:00:00</start_time><customer_name>c</customer_name>` +
	`<category>c</category><status>1</status><scenario_code>110</scenario_code>` +
	`<biz_order_type>DELIVERY_ORDER</biz_order_type></request>`

func issue(body string) *draft {
	d := newDraft(methodIssue, nil, map[string]string{"target_app_key": "24000002", "session": "-"})
	d.path, d.body, d.contentType = PathQimenCloud, body, "text/xml;charset=utf-8"
	return d
}

// newDraft makes a signed JSON call. changes with the name of a system parameter go there.
func newDraft(method string, params, changes map[string]string) *draft {
	d := &draft{
		path: PathTOP, verb: http.MethodPost, secret: testSecret, contentType: "application/x-www-form-urlencoded;charset=UTF-8",
		system: map[string]string{
			"method": method, "app_key": testKey, "session": testSession, "v": "2.0", "format": "json",
			"sign_method": "hmac-sha256", "timestamp": "2026-03-01 12:00:00",
		},
		params: maps.Clone(params),
		header: http.Header{},
		remote: "127.0.0.1:50000",
		encode: url.Values.Encode,
	}
	for name, value := range changes {
		if systemParams[name] {
			d.system[name] = value
		} else {
			d.params[name] = value
		}
	}
	return d
}

func (d *draft) request() *http.Request {
	query, form := url.Values{}, url.Values{}
	var all []param
	for name, value := range d.system {
		if value != "-" {
			query.Set(name, value)
			all = append(all, param{name, value})
		}
	}
	for name, value := range d.params {
		if value == "-" {
			continue
		}
		all = append(all, param{name, value})
		if d.allInQuery {
			query.Set(name, value)
		} else {
			form.Set(name, value)
		}
	}
	sortParams(all)
	if _, given := d.system["sign"]; !given {
		sign, _ := signature(d.system["sign_method"], d.secret, all, d.body)
		query.Set("sign", sign)
	}
	body := d.body
	if body == "" {
		body = d.encode(form)
	}
	if d.tamper != nil {
		d.tamper(query, &body)
	}
	r := httptest.NewRequest(d.verb, d.path+"?"+query.Encode(), strings.NewReader(body))
	maps.Copy(r.Header, d.header)
	if d.contentType != "" {
		r.Header.Set("Content-Type", d.contentType)
	}
	r.RemoteAddr = d.remote
	return r
}

// send makes the call and returns the reply, whose body was read as text.
func (r *rig) send(d *draft) (*http.Response, string) {
	r.t.Helper()
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, d.request())
	response := w.Result()
	var body io.Reader = response.Body
	if response.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			r.t.Fatal(err)
		}
		body = unzipped
	}
	text, err := io.ReadAll(body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response, string(text)
}

// body makes the call and returns the reply with the request id replaced by ID.
func (r *rig) body(d *draft) string {
	r.t.Helper()
	_, body := r.send(d)
	return hideID(body)
}

// hideID replaces the one request id of a reply by ID, after a look at its form.
func hideID(body string) string {
	for _, frame := range [][2]string{{`"request_id":"`, `"`}, {"<request_id>", "</request_id>"}} {
		before, after, found := strings.Cut(body, frame[0])
		id, rest, closed := strings.Cut(after, frame[1])
		if !found || !closed || len(id) != 13 || strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
			continue
		}
		return before + frame[0] + "ID" + frame[1] + rest
	}
	return body
}

// lastCall is the newest call in the log.
func (r *rig) lastCall() Call {
	r.t.Helper()
	calls := r.Calls()
	if len(calls) == 0 {
		r.t.Fatal("the log has no call")
	}
	return calls[len(calls)-1]
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
