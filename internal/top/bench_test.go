package top

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The calls of these benchmarks run one after the other against a gateway without delay: what is measured is what a call
// costs beside the exchange. BenchmarkRaw is the least that a signed call over net/http can be.

func benchGateway(b *testing.B) string {
	reply := []byte(updateOK)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(reply)
	}))
	b.Cleanup(gateway.Close)
	return gateway.URL + "/router/rest"
}

var benchParams = []Param{{"comment", "消费者不在家,所以取消"}, {"courier_mobile", "13000000000"}, {"courier_name", "测试小件员"},
	{"express_code", "SF11232222"}, {"logistics_order_id", "222233334"}, {"status_code", "assigned"}}

func BenchmarkCall(b *testing.B) {
	client := testClient(b, Options{Gateway: benchGateway(b)})
	update, account := typeOf(b, "top.logisticsorder.status.v1"), testAccount()
	payload := Payload{Params: benchParams}
	b.ReportAllocs()
	for b.Loop() {
		if r := client.Call(b.Context(), account, update, payload); r.Class != ClassOK {
			b.Fatalf("%+v", r)
		}
	}
}

func BenchmarkRaw(b *testing.B) {
	address := benchGateway(b)
	transport := newTransport(256, 15*time.Second)
	client := &http.Client{Transport: transport, Timeout: 15 * time.Second}
	defer transport.CloseIdleConnections()
	b.ReportAllocs()
	for b.Loop() {
		form := url.Values{}
		params := append([]Param{{"app_key", "12345678"}, {"format", "json"}, {"method", "tmall.servicecenter.workcard.logisticsorder.update"},
			{"session", testSession}, {"sign_method", "hmac-sha256"}, {"timestamp", time.Now().In(Zone).Format(TimestampLayout)}, {"v", "2.0"}}, benchParams...)
		for _, p := range params {
			form.Set(p.Name, p.Value)
		}
		form.Set("sign", Sign(SignHMACSHA256, testSecret, params, nil))
		request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
		if err != nil {
			b.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=utf-8")
		response, err := client.Do(request)
		if err != nil {
			b.Fatal(err)
		}
		var reply struct {
			Root struct {
				Result struct{ Success bool }
			} `json:"tmall_servicecenter_workcard_logisticsorder_update_response"`
		}
		err = json.NewDecoder(response.Body).Decode(&reply)
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil || !reply.Root.Result.Success {
			b.Fatal(err, reply)
		}
	}
}

func BenchmarkReadReply(b *testing.B) {
	create := typeOf(b, "top.serviceorder.create.v1")
	x := newExchange()
	b.ReportAllocs()
	for b.Loop() {
		x.body.Reset()
		x.body.WriteString(createOK)
		if r, err := x.decoder.read(create, &x.body); err != nil || !r.success {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	for name, text := range map[string]string{
		"top.logisticsorder.status.v1": `{"courier_name":"测试小件员","logistics_order_id":222233334,"status_code":"assigned","comment":"消费者不在家"}`,
		"top.workorder.sync.v1": `{"provider_order_code":"P1","biz_order_code":"B1","biz_order_type":1,"service_code":"催派送","provider_order_type":1,` +
			`"structural_reply":{"reply_value":101,"reply_supplements":[{"field_name":"pickupDate","field_value":"2024-11-23 10:00:00"}]}}`,
		"top.workorder.issue.v1": `{"work_order_code":"LW1","description":"上门取件前-超时催上门取件","status":1,"attachments":["https://a.example/1.jpg"]}`,
	} {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		var data map[string]any
		if err := decoder.Decode(&data); err != nil {
			b.Fatal(err)
		}
		typ := typeOf(b, name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Encode(typ, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
