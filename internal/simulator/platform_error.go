package simulator

// PlatformError is a refusal by the platform itself, sent as error_response (protocol page, section 5).
type PlatformError struct {
	Code    int
	Msg     string
	SubCode string // blank = not sent
	SubMsg  string // blank = not sent
}

// platformTexts are the platform's msg texts by code (protocol page, section 5.2).
var platformTexts = map[int]string{
	3:  "Upload Fail",
	4:  "User Call Limited",
	5:  "Session Call Limited",
	6:  "Partner Call Limited",
	7:  "App Call Limited",
	8:  "App Call Exceeds Limited Frequency",
	9:  "Http Action Not Allowed",
	10: "Service Currently Unavailable",
	11: "Insufficient ISV Permissions",
	12: "Insufficient User Permissions",
	13: "Insufficient Partner Permissions",
	15: "Remote Service Error",
	21: "Missing Method",
	22: "Invalid Method",
	23: "Invalid Format",
	24: "Missing Signature",
	25: "Invalid Signature",
	26: "Missing Session",
	27: "Invalid Session",
	28: "Missing App Key",
	29: "Invalid App Key",
	30: "Missing Timestamp",
	31: "Invalid Timestamp",
	32: "Missing Version",
	33: "Invalid Version",
	34: "Unsupported Version",
	40: "Missing Required Arguments",
	41: "Invalid Arguments",
	42: "Insufficient session permissions",
	43: "Parameter Error",
	44: "Invalid access token",
	47: "Invalid encoding",
	50: "Remote service error",
	53: "Insufficient security level",
	88: "auth exception",
}

// refuse makes the error of code with its own text. subCode and subMsg may be blank.
func refuse(code int, subCode, subMsg string) *PlatformError {
	msg, ok := platformTexts[code]
	if !ok {
		msg = "Remote service error"
	}
	return &PlatformError{Code: code, Msg: msg, SubCode: subCode, SubMsg: subMsg}
}

// missingArgument and invalidArgument name the argument by its path below the method's parameters, as in
// "buyer.mobile" or "structural_reply.reply_supplements.0.field_name".
func missingArgument(name string) *PlatformError {
	return refuse(40, "isv.missing-parameter:"+name, "Missing required argument: "+name)
}

func invalidArgument(name string) *PlatformError {
	return refuse(41, "isv.invalid-parameter:"+name, "Invalid argument: "+name)
}
