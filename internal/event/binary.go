package event

// decodeBinary reads a CloudEvent in binary mode: attributes in ce_ headers, the value is the data.
func decodeBinary(r *Record, contentType []byte) (Event, *Defect) {
	var a attributes
	badHeader := a.readHeaders(r.Headers, 0)
	e, defect := a.event()
	if d := checkValue(r.Value); d != nil {
		return e, d
	}
	if len(contentType) > 0 && !isJSON(contentType) {
		return e, unsupported("content-type is not JSON")
	}
	if badHeader != nil {
		return e, badHeader
	}
	if defect != nil {
		if !a.specversion.named {
			defect.Message += ": the record is no CloudEvent (no ce_specversion header, no content-type " +
				cloudEventsType + "+json); for plain JSON configure plain for its topic"
		}
		return e, defect
	}

	rd := newReader(r.Value)
	defer rd.release()
	data, defect := rd.document()
	if defect != nil {
		return e, defect
	}
	e.setData(data, rd.defect)
	return e, nil
}

// setData takes the data over, or says what is wrong with it.
func (e *Event) setData(data any, defect *Defect) {
	object, ok := data.(map[string]any)
	switch {
	case !ok:
		e.DataDefect = &Defect{Reason: ReasonInvalidData, Message: "data is not a JSON object"}
	case defect != nil:
		e.DataDefect = defect
	default:
		e.Data = object
	}
}
