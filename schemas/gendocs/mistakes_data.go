package main

import (
	"strings"

	"github.com/toprelay/worker/internal/event"
)

// dataMistakes are those in data.
func dataMistakes() []mistake {
	invalid := func(what, instead, eventType string, members map[string]string) mistake {
		return mistake{what, instead, spoilt(eventType, members), event.ReasonInvalidData}
	}
	one := func(name, text string) map[string]string { return map[string]string{name: text} }
	return []mistake{
		invalid("`\"logistics_order_id\": \"222233333\"`", "Numbers have no quotes: `222233333`",
			update, one("logistics_order_id", `"222233333"`)),
		invalid("`\"weight\": 12.5`", "Numbers are whole: grams, centimetres and fen, not kilograms and yuan",
			update, one("weight", "12.5")),
		invalid("`\"priority\": 3`", "a String has quotes, also where it holds digits: `\"3\"`",
			issue, one("priority", "3")),
		invalid("`\"new_logistics\": \"true\"`", "a Boolean is `true` or `false`, without quotes, and not 1 or 0",
			update, one("new_logistics", `"true"`)),
		invalid("`\"sign_time\": \"2026-11-25T17:15:28\"`",
			"with a `T` an offset is needed: `2026-11-25T17:15:28+08:00`; without one write `2026-11-25 17:15:28`, which is GMT+8",
			update, one("sign_time", `"2026-11-25T17:15:28"`)),
		invalid("`\"sign_time\": 1764062128000`", "write the date as text: `2026-11-25 17:15:28`",
			update, one("sign_time", "1764062128000")),
		invalid("`\"sign_time\": \"2026/11/25 17:15\"`", "`2026-11-25 17:15:28`, with two digits each and with seconds",
			update, one("sign_time", `"2026/11/25 17:15"`)),
		invalid("`\"reserve_time_end\": \"2026-11-25 24:00:00\"`", "`2026-11-26 00:00:00`",
			create, one("reservation", `{"reserve_time_end": "2026-11-25 24:00:00"}`)),
		invalid("no `sign_time` with `\"status_code\": \"signed\"`", "send what the column *required* of the [type](#types) says",
			update, one("sign_time", "")),
		invalid("`\"service_content\": \" \"`",
			"a form parameter that is blank counts as absent; send what is required, and leave out what you do not have",
			create, one("service_content", `" "`)),
		invalid("`\"idempotent_id\": \"\"`", "leave it out, and one is derived",
			sync, one("idempotent_id", `""`)),
		invalid("`{\"param\": {\"status\": …}}`", "`data` is the content of the parameter: `{\"status\": …}`",
			ovs, map[string]string{"platform_order_id": "", "status": "", "param": `{"platform_order_id": "P1", "status": "PACK_FINISH"}`}),
		{
			"`\"data\": \"{\\\"logistics_order_id\\\": …}\"`, JSON in a string", "`data` is an object: encode it once",
			structuredRecord(structuredValue(`"{\"logistics_order_id\": 222233333}"`)), event.ReasonInvalidData,
		},
		invalid("`\"expressCode\": \"YF1\"`", "names are those of the API page: `express_code`",
			update, one("expressCode", `"YF1"`)),
		{
			"a name twice: `{\"weight\": 1, \"weight\": 2}`", "each name once, at every depth",
			binaryRecord(update, `{"logistics_order_id": 222233333, "status_code": "create", "weight": 1, "weight": 2}`),
			event.ReasonInvalidData,
		},
		invalid("`\"status\": \"pack_finish\"`", "values are compared exactly: `PACK_FINISH`",
			ovs, one("status", `"pack_finish"`)),
		invalid("`\"sub_express_codes\": \"YF1,YF2\"`", "a list is an array: `[\"YF1\", \"YF2\"]`",
			update, one("sub_express_codes", `"YF1,YF2"`)),
		invalid("`\"sub_express_codes\": [\"YF1,YF2\"]`", "the elements are sent joined by commas, so none may hold one",
			update, one("sub_express_codes", `["YF1,YF2"]`)),
		invalid("`\"pic_urls\": [null]`", "leave the element out",
			ovs, one("service_fulfil_result", `[{"pic_urls": [null]}]`)),
		invalid("`\"attachments\": {\"attachmentsItem\": […]}`", "lists are plain arrays; the worker makes the XML",
			issue, one("attachments", `{"attachmentsItem": ["https://oss.example/a.jpg"]}`)),
		invalid("`\"structural_replys\": []`, a required list that is empty", "an empty list is not sent, so it is missing: send one element at least",
			issue, one("work_order_task", `{"task_expire_time": "2026-11-26 17:15:28", "task_start_time": "2026-11-25 17:15:28", "structural_replys": []}`)),
		invalid("`\"goods_info\": [{\"name\": …}]`", "`goods_info`, `extend_info` and `extension` are Strings: JSON text in quotes",
			update, map[string]string{"status_code": `"pickup_finished"`, "pickup_finish_time": `"2026-11-25 17:15:28"`, "goods_info": `[{"name": "coat"}]`}),
		invalid("`\"service_properties\": \"red\"`", "a Json field is an object, an array, or a string that holds one",
			create, one("service_properties", `"red"`)),
		invalid("a `remark` of 101 characters", "shorten it; characters count, not bytes",
			ovs, one("service_fulfil_result", `[{"remark": "`+hundredAndOne+`"}]`)),
		invalid("a control character in a text of `top.workorder.issue.v1`", "XML cannot carry it: take it out",
			issue, one("description", `"late\u0000"`)),
		invalid("neither `platform_order_id` nor `ticket_id`", "one of them is the ordering key",
			ovs, one("platform_order_id", "")),
	}
}

var hundredAndOne = strings.Repeat("好", 101)
