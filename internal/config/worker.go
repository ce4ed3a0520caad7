package config

import "time"

// Consumer bounds the work.
type Consumer struct {
	// Calls in flight at once.
	Concurrency int `yaml:"concurrency" default:"256" min:"1" max:"65536"`
	// Largest event: key, value and headers together. A larger one becomes a dead letter unread.
	//
	// Refused: more than 980KiB, because a dead letter must fit into a record of 1 MiB together with its own headers.
	MaxEventBytes Size `yaml:"max_event_bytes" default:"900KiB" min:"1KiB" max:"980KiB"`
	// Memory for events that are not settled. When it is full, fetching stops until some are.
	//
	// Refused: less than `max_event_bytes`.
	MaxBufferedBytes Size `yaml:"max_buffered_bytes" default:"64MiB" min:"1MiB"`
	// Events that are not settled, over all partitions. One account or method may hold half of them.
	MaxUnsettled int `yaml:"max_unsettled" default:"20000" min:"2" max:"10000000"`
	// Offsets that a partition may run ahead of its lowest event that is not settled.
	MaxSpan int64 `yaml:"max_span" default:"1000000" min:"1" max:"1000000000"`
	// Time that calls in flight have to finish when the worker stops or loses partitions.
	//
	// Refused: a value that is not above the time-out of every method, or not below `kafka.rebalance_timeout` - 5 s.
	DrainTimeout time.Duration `yaml:"drain_timeout" default:"20s" min:"1s"`
}

// Retry is the delay between attempts and the end of trying.
type Retry struct {
	// Delay after the first failed attempt.
	InitialInterval time.Duration `yaml:"initial_interval" default:"500ms" min:"1ms"`
	// Factor from one delay to the next.
	Multiplier float64 `yaml:"multiplier" default:"2" min:"1" max:"100"`
	// Part of the delay that is left to chance: 0.5 means half to one and a half times the delay.
	RandomizationFactor float64 `yaml:"randomization_factor" default:"0.5" max:"1"`
	// Longest delay.
	//
	// Refused: less than `initial_interval`.
	MaxInterval time.Duration `yaml:"max_interval" default:"60s" min:"1ms"`
	// Attempts before an event may be given up.
	MaxAttempts int `yaml:"max_attempts" default:"8" min:"1" max:"1000000"`
	// Time of trying before an event may be given up. Pauses and an open breaker do not count.
	GiveUpAfter time.Duration `yaml:"give_up_after" default:"1h"`
}

// Breaker says when a method is taken for down.
type Breaker struct {
	// Part of the calls of a window that must fail.
	FailureRatio float64 `yaml:"failure_ratio" default:"0.5" min:"0.01" max:"1"`
	// Calls that a window must have before the ratio counts.
	MinRequests int `yaml:"min_requests" default:"20" min:"1" max:"1000000"`
	// Time over which calls are counted.
	Window time.Duration `yaml:"window" default:"30s" min:"1s"`
	// Failures in a row, of at least two keys, that open the breaker in any case.
	ConsecutiveFailures int `yaml:"consecutive_failures" default:"5" min:"1" max:"1000000"`
	// Time before an open breaker lets a probe through.
	OpenFor time.Duration `yaml:"open_for" default:"15s" min:"1ms"`
}

// Dedup is the ledger.
type Dedup struct {
	// Where the ledger is: `sqlite` is a file that one process opens; `redis` serves several workers of one group; `memory`
	// is forgotten at the end and is for tests and the demo.
	Store string `yaml:"store" default:"sqlite" enum:"sqlite,redis,memory"`
	// File of the store `sqlite`. Its folder is created.
	//
	// Refused: empty with `store: sqlite`.
	Path string `yaml:"path" default:"data/toprelay.db" format:"file"`
	// How long an idempotent id is remembered. It should be no less than the retention of the consumed topics.
	Retention time.Duration `yaml:"retention" default:"336h" min:"1m"`
	// The store `redis`: a server, sentinels or a Cluster, version 6.2 or newer, whose `maxmemory-policy` is `noeviction`. Give
	// it a database of its own, and an append-only file: what Redis forgets is sent again.
	//
	// Refused: none with `store: redis`.
	Redis *Redis `yaml:"redis"`
}

// Redis is the ledger of workers that share a group.
type Redis struct {
	// Servers, host:port. One is a server, or a node of a Cluster; several are nodes of a Cluster, or sentinels where
	// `sentinel_master` is set.
	Addresses []string `yaml:"addresses" default:"127.0.0.1:6379" format:"address" required:"true"`
	// Number of the database.
	//
	// Refused: any but 0 with a Cluster.
	DB int `yaml:"db" default:"0" max:"1000000"`
	// User name. Empty: none.
	//
	// Refused: one without `password_file`.
	Username string `yaml:"username"`
	// File with the password. Empty: none. A new password is used for new connections.
	PasswordFile string `yaml:"password_file" format:"secret" example:"secrets/redis-password"`
	// Encrypts the connections. Present, even empty: on.
	TLS *TLS `yaml:"tls"`
	// Name of the master that the sentinels at `addresses` watch. Empty: no sentinels.
	SentinelMaster string `yaml:"sentinel_master"`
	// Beginning of all keys. The workers of a group share it; another group, or a shadow run, needs another one.
	Prefix string `yaml:"prefix" default:"toprelay:" required:"true"`
	// Replicas that must have a write before it counts. A claim that may be lost, because its call may be repeated, waits for
	// none.
	//
	// Refused: any but 0 with a Cluster.
	WaitReplicas int `yaml:"wait_replicas" default:"0" max:"1000"`
}

// Ops is the listener for metrics and health.
type Ops struct {
	// Address of `/metrics`, `/livez`, `/readyz` and `/api/v1/status`. Port 0: any free one. Empty: no listener.
	//
	// Refused: an address that is not loopback, without `tokens_file`.
	Listen string `yaml:"listen" default:"127.0.0.1:8080" format:"listen"`
	// File with the tokens that callers of `/api` must show where `listen` is not loopback, one a line: a name, a blank, and the hex SHA-256 of the token.
	//
	// Refused: a file that is missing, empty or readable by others.
	TokensFile string `yaml:"tokens_file" format:"secret" example:"secrets/ops-tokens"`
	// Asks for a token at `/metrics` too.
	//
	// Refused: `true` without `tokens_file`.
	ProtectMetrics bool `yaml:"protect_metrics" default:"false"`
	// Path under which a reverse proxy publishes this listener, such as /toprelay.
	//
	// Refused: any value in this version, which serves no pages yet.
	PathPrefix string `yaml:"path_prefix" format:"prefix"`
}

// Log is the log on stderr.
type Log struct {
	// Least level that is written.
	Level string `yaml:"level" default:"info" enum:"debug,info,warn,error"`
	// JSON lines, or lines for people.
	Format string `yaml:"format" default:"json" enum:"json,text"`
}
