package config

import "time"

// Top holds the settings of the calls to TOP.
type Top struct {
	// URL of the TOP gateway.
	//
	// Refused: plain HTTP to an address that is not loopback.
	Gateway string `yaml:"gateway" default:"https://eco.taobao.com/router/rest" format:"url" required:"true"`
	// Algorithm of the sign.
	SignMethod string `yaml:"sign_method" default:"hmac-sha256" enum:"hmac-sha256,hmac,md5"`
	// Time that one call may take, reply body included.
	//
	// Refused: a value that is not below `consumer.drain_timeout`.
	Timeout time.Duration `yaml:"timeout" default:"15s" min:"1ms"`
	// Does everything but send, for a shadow run in a group and a ledger of its own: outcomes are counted and logged, no
	// dead letters and no results are written.
	DryRun bool `yaml:"dry_run" default:"false"`
	// The accounts that sign calls, by name. An event names its account in the extension `topaccount`; one that names none
	// uses `default`.
	//
	// Refused: no account at all; a name with other characters than letters, digits, `.`, `_` and `-`.
	Accounts map[string]Account `yaml:"accounts" required:"true" example:"default"`
	// Calls that one app key may make to one method, over the whole group.
	RateLimit RateLimit `yaml:"rate_limit"`
}

// Account is one app of the platform, with the session of one seller.
type Account struct {
	// App key, the public name of the app.
	AppKey string `yaml:"app_key" required:"true" example:"12345678"`
	// File with the app secret. It is read again when it changes; a file that vanishes or is empty keeps the old secret.
	//
	// Refused: a file that is missing, empty or readable by others.
	AppSecretFile string `yaml:"app_secret_file" format:"secret" required:"true" example:"secrets/app-secret"`
	// File with the session (access token), for methods that need one. It is read again when it changes. Empty: none.
	//
	// Refused: a file that is missing, empty or readable by others.
	SessionFile string `yaml:"session_file" format:"secret" example:"secrets/session"`
}

// RateLimit bounds the calls of one app key to one method.
type RateLimit struct {
	// Calls a second in the long run, fractions allowed. 0: no limit.
	PerSecond float64 `yaml:"per_second" default:"50" max:"1000000"`
	// Calls at once after a quiet time.
	//
	// Refused: 0 while `per_second` is not 0.
	Burst int `yaml:"burst" default:"50" max:"1000000"`
	// Calls a day, which ends at midnight GMT+8. 0: no limit.
	PerDay int64 `yaml:"per_day" default:"0"`
}

// Qimen holds the two directions of Qimen.
type Qimen struct {
	// Work orders that we issue to a partner (`qimen.taobao.logistics.work.order.issue`).
	Outbound QimenOutbound `yaml:"outbound"`
	// The receiver of work orders that the platform issues to us.
	Inbound QimenInbound `yaml:"inbound"`
}

// QimenOutbound is where work orders are sent.
type QimenOutbound struct {
	// URL of the Qimen gateway. Empty: such events wait, paused as misconfigured.
	//
	// Refused: plain HTTP to an address that is not loopback.
	Gateway string `yaml:"gateway" format:"url"`
	// App key of the partner that receives the work orders.
	TargetAppKey string `yaml:"target_app_key"`
	// Customer id, for partners that route by it. Empty: not sent.
	CustomerID string `yaml:"customer_id"`
}

// QimenInbound is the receiver.
type QimenInbound struct {
	// Address that the receiver listens on. Empty: off.
	//
	// Refused: any address in this version, which has no receiver yet.
	Listen string `yaml:"listen" format:"listen"`
	// Topic for the work orders that were received.
	//
	// Refused: a topic that is consumed or has another use.
	Topic string `yaml:"topic" default:"top.inbound.work-orders" format:"topic" required:"true"`
	// Accounts whose secrets may have signed what arrives.
	Accounts []string `yaml:"accounts" default:"default"`
}

// Method holds the settings of one method.
type Method struct {
	// Time that one call may take, reply body included.
	//
	// Refused: a value that is not below `consumer.drain_timeout`.
	Timeout time.Duration `yaml:"timeout" inherit:"top.timeout" min:"1ms"`
	// Calls in flight at once. 0: no bound of its own, but 4 for a method that must not be repeated.
	Concurrency int `yaml:"concurrency" default:"0" max:"65536"`
	// Calls that one app key may make to this method.
	RateLimit RateLimit `yaml:"rate_limit" inherit:"top.rate_limit"`
	// The delay between attempts, and when an event is given up.
	Retry Retry `yaml:"retry" inherit:"retry"`
	// Business codes that are worth another try, beside those of the schema.
	TransientCodes []string `yaml:"transient_codes" example:"SYSTEM_BUSY"`
	// Business codes that say that the platform has the event already, beside those of the schema: it counts as delivered.
	//
	// Refused: a code that is in `transient_codes` too.
	DuplicateCodes []string `yaml:"duplicate_codes" example:"ORDER_ALREADY_SYNCED"`
	// Algorithm of the sign.
	SignMethod string `yaml:"sign_method" inherit:"top.sign_method" enum:"hmac-sha256,hmac,md5"`
}

// Type holds the settings of one event type.
type Type struct {
	// What happens to later events of a key whose event became a dead letter: they go on, or are held until it is replayed.
	//
	// Refused: `hold` in this version, which supports `continue` only.
	OnDeadLetter string `yaml:"on_dead_letter" default:"continue" enum:"continue,hold"`
	// What happens to a replayed event that is older than the last delivered one of its key. Not set: as the schema says.
	Superseded string `yaml:"superseded" enum:"skip,send"`
	// What happens to fields that the schema does not know: the event is refused, the field is left out and counted, or the
	// field is sent as it is.
	UnknownFields string `yaml:"unknown_fields" default:"reject" enum:"reject,drop,send"`
}
