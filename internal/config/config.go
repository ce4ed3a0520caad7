// Package config reads and checks the configuration of the worker (contract section 12).
//
// The structs of this package are the one description of every key: the field's comment says what it means, its tags say
// the name, the default and what is refused. Loading, printing, the example file, the JSON Schema for editors and
// docs/configuration.md all walk the same table (keys.go), which is made from them.
//
//	yaml     name of the key
//	default  value where nothing sets the key; lists with commas
//	enum     the only values, with commas
//	format   what a text must look like, see format.go; "file", "secret" and "dir" are paths
//	min, max bounds of a number, duration or size; min is 0 where not given
//	required an empty value is refused
//	inherit  the general key that fills an unset key of a method
//	example  value in the example file where it is not the default
//	short    field that a plain text sets where an object could stand
//
// A comment's paragraph that begins with "Refused:" says what Validate refuses.
package config

import (
	"path/filepath"
	"time"
)

//go:generate go run ./gendocs ../../docs/configuration.md

// Config is the whole configuration. Load makes it; Default is where it starts from.
type Config struct {
	// The Kafka cluster, the consumer group, and the topics that are read and written.
	Kafka Kafka `yaml:"kafka"`
	// Taobao Open Platform (TOP): where calls go, and who signs them.
	Top Top `yaml:"top"`
	// Qimen: work orders that are issued to a partner, and those that are issued to us.
	Qimen Qimen `yaml:"qimen"`
	// Settings of single methods, by method name. What is not set here is as in `top` and `retry`.
	//
	// Refused: a method that no schema names.
	Methods map[string]Method `yaml:"methods" example:"taobao.logistics.provider.work.order.sync"`
	// Settings of single event types, by type.
	//
	// Refused: a type that no schema describes.
	Types map[string]Type `yaml:"types" example:"top.workorder.sync.v1"`
	// Folder whose `*.schema.json` files are laid over the built-in schemas: they replace a type or add one. Empty: none.
	SchemasDir string `yaml:"schemas_dir" format:"dir"`
	// How much is in work at once, and for how long.
	Consumer Consumer `yaml:"consumer"`
	// The delay between the attempts of one event, and when an event is given up.
	Retry Retry `yaml:"retry"`
	// When a method is taken for down. While its breaker is open only probes are sent, and no attempt is spent.
	Breaker Breaker `yaml:"breaker"`
	// The ledger, which remembers what was delivered.
	Dedup Dedup `yaml:"dedup"`
	// The listener for metrics and health.
	Ops Ops `yaml:"ops"`
	// The log on stderr.
	Log Log `yaml:"log"`

	// sources says for every key that was set where that was: "file.yaml:3:5", a variable's name, or "--set".
	sources map[string]string
}

// Default is the configuration without file, environment and flags. It has no account yet, so it is not valid.
func Default() *Config {
	l := newLoader("")
	l.finish()
	return l.cfg
}

// Method returns the settings of a method: its own where `methods` has them, else the general ones.
func (c *Config) Method(name string) Method {
	if m, ok := c.Methods[name]; ok {
		return m
	}
	return Method{Timeout: c.Top.Timeout, RateLimit: c.Top.RateLimit, Retry: c.Retry, SignMethod: c.Top.SignMethod}
}

// Type returns the settings of an event type. Superseded is empty where the type's schema decides.
func (c *Config) Type(name string) Type {
	if t, ok := c.Types[name]; ok {
		return t
	}
	return Type{OnDeadLetter: "continue", UnknownFields: "reject"}
}

// Source says where the key was set: "file.yaml:3:5", the name of a variable, "--set", or "default".
// Keys are written with dots, list elements with their index: kafka.topics[1].
func (c *Config) Source(key string) string {
	if s, ok := c.sources[key]; ok {
		return s
	}
	return "default"
}

// LongestTimeout is the longest time that one call may take, over all methods.
func (c *Config) LongestTimeout() time.Duration {
	longest := c.Top.Timeout
	for _, m := range c.Methods {
		longest = max(longest, m.Timeout)
	}
	return longest
}

// resolve makes a path of the configuration absolute. Relative paths start at the folder of the file.
func resolve(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
