package simulator

import "slices"

// field is one member of a reply, in the order of the API page.
type field struct {
	name  string
	value any // string, bool, int64, json.Number, []field, map[string]any, []any or nil (encode.go)
}

// result is what the back end answered: the fields beside the success field.
type result struct {
	success any // true, or what a fault put in its place; nil = left out
	fields  []field
}

// set puts value into the field name, or appends it. nil removes it.
func (r *result) set(success, name string, value any) {
	if name == success {
		r.success = value
		return
	}
	i := slices.IndexFunc(r.fields, func(f field) bool { return f.name == name })
	switch {
	case value == nil && i >= 0:
		r.fields = slices.Delete(r.fields, i, i+1)
	case value == nil:
	case i >= 0:
		r.fields[i].value = value
	default:
		r.fields = append(r.fields, field{name, value})
	}
}

// body builds the reply's root object: the result where the API page has it, and the request id beside it.
func (a *api) body(r result, requestID string) []field {
	inner := make([]field, 0, 1+len(r.fields)+1)
	if r.success != nil {
		inner = append(inner, field{a.success, r.success})
	}
	inner = append(inner, r.fields...)
	for i := len(a.result) - 1; i >= 0; i-- {
		inner = []field{{a.result[i], inner}}
	}
	return append(inner, field{"request_id", requestID})
}

func (e *PlatformError) body(requestID string) []field {
	fields := []field{{"code", int64(e.Code)}, {"msg", e.Msg}}
	if e.SubCode != "" {
		fields = append(fields, field{"sub_code", e.SubCode})
	}
	if e.SubMsg != "" {
		fields = append(fields, field{"sub_msg", e.SubMsg})
	}
	return append(fields, field{"request_id", requestID})
}

// with sets the fields that a fault gives. The fields of the result may belong to the back end and are not changed.
func (r result) with(success string, business map[string]any) result {
	r.fields = slices.Clone(r.fields)
	for _, f := range sortedFields(business) {
		r.set(success, f.name, f.value)
	}
	return r
}
