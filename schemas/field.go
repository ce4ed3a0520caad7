package schemas

// Kind is the wire type of a field, as the API pages name it.
type Kind uint8

// The wire types.
const (
	KindString  Kind = iota + 1 // String: text
	KindNumber                  // Number: a signed 64-bit integer
	KindBoolean                 // Boolean
	KindDate                    // Date: yyyy-MM-dd HH:mm:ss in GMT+8
	KindJSON                    // Json: an object or array, or a text that holds one; passed on as it is
	KindObject                  // a struct
	KindList                    // a list of Item
	KindAny                     // a Number or a String
)

var kindNames = [...]string{"", "String", "Number", "Boolean", "Date", "Json", "struct", "list", "Number or String"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return ""
}

// Scalar says whether a value of this kind is a single text on the wire.
func (k Kind) Scalar() bool {
	switch k {
	case KindString, KindNumber, KindBoolean, KindDate, KindAny:
		return true
	default:
		return false
	}
}

// Field is one field of an API, with those below it.
type Field struct {
	Name        string
	Kind        Kind
	Description string
	Required    bool     // always required; what is required under a condition is in Rules
	Enum        []string // the values that are allowed, as text; empty where any is
	MaxLength   int      // characters of a text; 0 = no limit
	MaxItems    int      // elements of a list; 0 = no limit
	Deprecated  bool
	Rules       []string // the conditional rules of a struct in words
	Fields      []*Field // of a struct, in the order of the API page
	Item        *Field   // of a list
	ItemName    string   // of a list: the XML element of one item
	PII         string   // kind of personal data: "", "name", "mobile", "address" or "text"; handed down to what is below

	byName map[string]*Field
	sorted []*Field // Fields in byte order of their names, the order of canonical data
	// conditions are those of the Rules that the walk checks itself.
	conditions []condition
}

// Member returns the named field of a struct, or nil where the API has none of that name. Names are compared exactly.
func (f *Field) Member(name string) *Field {
	return f.byName[name]
}

// at returns the field that names lead to through structs, or nil.
func (f *Field) at(names []string) *Field {
	for _, name := range names {
		if f == nil || f.Kind != KindObject {
			return nil
		}
		f = f.byName[name]
	}
	return f
}

// CommaJoined says whether a top-level form parameter with this value goes out as its elements joined by commas: a list
// of texts, numbers, Booleans or dates. Any other list goes out as JSON. It also decides for unknown fields, which have
// no Field.
func CommaJoined(list []any) bool {
	for _, item := range list {
		switch item.(type) {
		case map[string]any, []any:
			return false
		}
	}
	return true
}

// systemNames are the parameters that the client itself sets, or that the platform reads as such (protocol 2 and 7.2).
// Nothing that a publisher sends may take their place.
var systemNames = map[string]bool{
	"method": true, "app_key": true, "session": true, "timestamp": true, "v": true, "format": true,
	"sign_method": true, "sign": true, "partner_id": true, "simplify": true, "target_app_key": true,
	"customerId": true, "customerid": true, "target_appkey": true, "source_appkey": true,
	"force_sensitive_param_fuzzy": true, "access_token": true, "top-sign-list": true,
}
