package schemas

import "github.com/santhosh-tekuri/jsonschema/v6"

// Encoding says how data becomes a call.
type Encoding string

// The three encodings of a call.
const (
	EncodingForm     Encoding = "form"      // each field is a form parameter
	EncodingStruct   Encoding = "struct"    // data is the JSON of the one form parameter Param
	EncodingQimenXML Encoding = "qimen_xml" // data is the XML document <request> of a Qimen call
)

// Superseded says what becomes of a replayed event that is older than the last delivered one of its key.
const (
	SupersededSkip = "skip"
	SupersededSend = "send"
)

// Type is one event type: the API that it calls, and what its data looks like. It is read from one schema file and does
// not change afterwards; all its methods are safe for concurrent use.
type Type struct {
	Name        string // of the event type
	Title       string
	Description string
	Method      string
	Encoding    Encoding
	Param       string    // EncodingStruct: the form parameter that holds the struct
	Session     bool      // the call needs the session of the account
	Repeatable  bool      // the call may be made again when nobody knows whether it ran
	Key         []KeyPart // ordering key
	ID          []KeyPart // idempotent id; empty: source + id of the event
	IDWrite     string    // member of data that a derived id is written into; "" = none
	Superseded  string    // default for replayed events: SupersededSkip or SupersededSend
	Reply       Reply
	// TransientCodes and DuplicateCodes are the business codes that are known as such; operators can add others.
	TransientCodes, DuplicateCodes []string
	Root                           *Field // the struct of data
	Source                         []byte // the schema file as it is

	rules *jsonschema.Schema // what the walk leaves to decide
	doc   *node
}

// KeyPart is one part of an ordering key or idempotent id: the first of these JSON Pointers into data that is there.
type KeyPart struct {
	Pointers []string
	names    [][]string
}

// Reply says where a reply of the API holds what. Paths are member names from the root object on down.
type Reply struct {
	Success, Code, Message []string // Code and Message are empty where the API has none
	Fields                 []ReplyField
}

// ReplyField is one business field of a reply.
type ReplyField struct {
	Name        string
	Path        []string
	Kind        Kind // KindString, KindNumber or KindBoolean; of a list: of its items
	List        bool
	Description string
	PII         string
}
