package event

import "strings"

// cloudEventsType is the prefix that announces structured mode (CloudEvents Kafka binding 1.0, section 3).
const cloudEventsType = "application/cloudevents"

// isCloudEvents reports whether a content-type announces structured mode, in whichever event format.
func isCloudEvents(contentType []byte) bool {
	return len(contentType) >= len(cloudEventsType) &&
		strings.EqualFold(string(contentType[:len(cloudEventsType)]), cloudEventsType)
}

// isCloudEventsJSON reports whether a content-type is application/cloudevents+json, with or without parameters.
// The batch format (application/cloudevents-batch+json) is another: Kafka has no batch mode.
func isCloudEventsJSON(contentType []byte) bool {
	return strings.EqualFold(mediaType(string(contentType)), cloudEventsType+"+json")
}

// isJSON reports whether a content-type declares JSON: subtype json or any +json (CloudEvents JSON format, 3.1.1).
func isJSON(contentType []byte) bool {
	kind, subtype, ok := strings.Cut(mediaType(string(contentType)), "/")
	if !ok || kind == "" {
		return false
	}
	if i := strings.LastIndexByte(subtype, '+'); i > 0 {
		subtype = subtype[i+1:]
	}
	return strings.EqualFold(subtype, "json")
}

// mediaType cuts the parameters off.
func mediaType(contentType string) string {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.TrimSpace(media)
}
