package schemas

import (
	"encoding/json"
	"os"
	"testing"
)

// BenchmarkCheck measures the per-event cost, on the first valid examples with all fields of each type and on a usual
// status event of about 500 bytes.
func BenchmarkCheck(b *testing.B) {
	c := load(b)
	cases := map[string]struct {
		typ  string
		data map[string]any
	}{
		"usual": {"top.logisticsorder.status.v1", decode(b, usualEvent)},
	}
	for _, typ := range c.Types() {
		text, err := os.ReadFile("testdata/golden/" + typ.Name + ".json")
		if err != nil {
			b.Fatal(err)
		}
		var examples []golden
		if err := json.Unmarshal(text, &examples); err != nil {
			b.Fatal(err)
		}
		var value string
		if err := json.Unmarshal(examples[0].Record.Value, &value); err != nil {
			b.Fatal(err)
		}
		cases[typ.Name] = struct {
			typ  string
			data map[string]any
		}{typ.Name, decode(b, value)}
	}
	for name, bench := range cases {
		typ, _ := c.Type(bench.typ)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, v := typ.Check(bench.data, UnknownReject); v != nil {
					b.Fatal(v)
				}
			}
		})
	}
}

const usualEvent = `{"logistics_order_id":222233335,"status_code":"pickup_finished","express_code":"SF1300000000001",
"express_company":"顺丰快递","courier_name":"李小四","courier_mobile":"13100000000","weight":1250,"volume":18000000,"cost":1800,
"goods_info":"[{\"name\":\"上衣\",\"count\":1},{\"name\":\"裤子\",\"count\":2}]","pickup_finish_time":"2026-03-01T02:35:10Z",
"sub_express_codes":["SF1300000000001","SF1300000000002"],"comment":"消费者要求晚上送","new_logistics":true,"extend_info":"{\"dock\":\"A-07\"}"}`

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := readTypes(embedded, "schemas"); err != nil {
			b.Fatal(err)
		}
	}
}
