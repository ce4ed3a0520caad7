package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/toprelay/worker/internal/secret"
	"github.com/toprelay/worker/schemas"
)

// Validate checks what Load cannot see key by key: files, names that must be known, and settings that do not go together
// or are unsafe. It reads the secret files, and changes nothing. The error is of type Problems and names all that is wrong.
func (c *Config) Validate(known *schemas.Catalogue) error {
	v := validation{c: c, known: known}
	v.kafka()
	v.topics()
	v.plainTopics()
	v.top()
	v.qimen()
	v.methods()
	v.types()
	v.times()
	v.retry("retry", c.Retry)
	v.rateLimit("top.rate_limit", c.Top.RateLimit)
	v.dedup()
	v.ops()
	if c.Consumer.MaxBufferedBytes < c.Consumer.MaxEventBytes {
		v.problem(v.set("consumer.max_buffered_bytes", "consumer.max_event_bytes"),
			"max_buffered_bytes (%s) is less than max_event_bytes (%s): such an event could never be fetched; raise it", c.Consumer.MaxBufferedBytes, c.Consumer.MaxEventBytes)
	}
	return v.problems.err()
}

// ValidateKafka checks only what is needed to reach Kafka, for commands that make no calls.
func (c *Config) ValidateKafka() error {
	v := validation{c: c}
	v.kafka()
	v.topics()
	return v.problems.err()
}

type validation struct {
	c        *Config
	known    *schemas.Catalogue
	problems Problems
}

// problem reports the key at the place where it, or the section around it, was set.
func (v *validation) problem(key, format string, args ...any) {
	v.problems = append(v.problems, Problem{v.c.Source(key), key, fmt.Sprintf(format, args...)})
}

// set is the first of the keys that was set somewhere: it is the one to look at when they do not go together.
func (v *validation) set(keys ...string) string {
	for _, k := range keys {
		if v.c.sources[k] != "" {
			return k
		}
	}
	return keys[0]
}

// secret checks a file with a secret. An empty path is a key that was not set.
func (v *validation) secret(key, path string) {
	if path == "" {
		return
	}
	if _, err := secret.Open(path); err != nil {
		v.problem(key, "%v", err)
	}
}

func (v *validation) tls(key string, t *TLS) {
	if t == nil {
		return
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		v.problem(key, "cert_file and key_file go together; give both or none")
		return
	}
	v.secret(key+".key_file", t.KeyFile)
	if _, err := t.ClientConfig(); err != nil {
		v.problem(key, "%v", err)
	}
}

var accountName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func (v *validation) top() {
	t := v.c.Top
	v.gateway("top.gateway", t.Gateway)
	if len(t.Accounts) == 0 {
		v.problem("top.accounts", "there is no account to sign calls with; give one, such as default: {app_key: \"12345678\", app_secret_file: secrets/app-secret}")
	}
	for _, name := range sorted(t.Accounts) {
		a, key := t.Accounts[name], "top.accounts."+name
		if !accountName.MatchString(name) {
			v.problem(key, "the name of an account has at most 64 letters, digits, '.', '_' and '-'; choose another name")
		}
		v.secret(key+".app_secret_file", a.AppSecretFile)
		v.secret(key+".session_file", a.SessionFile)
	}
}

// gateway refuses to send signed calls over a network that others can read.
func (v *validation) gateway(key, text string) {
	u, err := url.Parse(text)
	if err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		v.problem(key, "plain HTTP to %s would show sessions and personal data to the network; use https (http is for loopback only)", u.Hostname())
	}
}

func (v *validation) qimen() {
	q := v.c.Qimen
	v.gateway("qimen.outbound.gateway", q.Outbound.Gateway)
	if q.Inbound.Listen != "" {
		v.problem("qimen.inbound.listen", "this version has no receiver yet; leave it empty")
	}
	for i, name := range q.Inbound.Accounts {
		if _, ok := v.c.Top.Accounts[name]; !ok && v.c.Source("qimen.inbound.accounts") != "default" {
			v.problem(fmt.Sprintf("qimen.inbound.accounts[%d]", i), "there is no account %s in top.accounts%s", quote(name), didYouMean(name, sorted(v.c.Top.Accounts)))
		}
	}
}

func (v *validation) methods() {
	var names []string
	for _, t := range v.known.Types() {
		names = append(names, t.Method)
	}
	for _, name := range sorted(v.c.Methods) {
		m, key := v.c.Methods[name], "methods."+name
		if _, ok := v.known.ByMethod(name); !ok {
			v.problem(key, "unknown method%s; 'worker schemas list' shows all", didYouMean(name, names))
		}
		if m.Retry != v.c.Retry { // else it is reported there
			v.retry(key+".retry", m.Retry)
		}
		if m.RateLimit != v.c.Top.RateLimit {
			v.rateLimit(key+".rate_limit", m.RateLimit)
		}
		for i, code := range m.DuplicateCodes {
			if slices.Contains(m.TransientCodes, code) {
				v.problem(fmt.Sprintf("%s.duplicate_codes[%d]", key, i), "the code %s is in transient_codes too; it is either worth another try or delivered", quote(code))
			}
		}
	}
}

func (v *validation) types() {
	for _, name := range sorted(v.c.Types) {
		v.eventType("types."+name, name)
		if v.c.Types[name].OnDeadLetter == "hold" {
			v.problem("types."+name+".on_dead_letter", "this version does not hold keys yet; use continue")
		}
	}
}

func (v *validation) eventType(key, name string) {
	if _, ok := v.known.Type(name); ok {
		return
	}
	var names []string
	for _, t := range v.known.Types() {
		names = append(names, t.Name)
	}
	v.problem(key, "unknown event type%s; 'worker schemas list' shows all", didYouMean(name, names))
}

// commitMargin is what a drain leaves of the rebalance for the last commit and for joining again.
const commitMargin = 5 * time.Second

// times checks that a call fits into a drain, and a drain into a rebalance: else calls in flight would be cut off, or the
// group would throw the member out before it has committed.
func (v *validation) times() {
	drain := v.c.Consumer.DrainTimeout
	below := func(key string, timeout time.Duration) {
		if timeout >= drain {
			v.problem(v.set(key, "consumer.drain_timeout"),
				"%s (%s) is not below consumer.drain_timeout (%s): a stop would cut off calls; lower it or raise the other", key, durationText(timeout), durationText(drain))
		}
	}
	below("top.timeout", v.c.Top.Timeout)
	for _, name := range sorted(v.c.Methods) {
		if key := "methods." + name + ".timeout"; v.c.sources[key] != "" { // else it is top.timeout
			below(key, v.c.Methods[name].Timeout)
		}
	}
	if most := v.c.Kafka.RebalanceTimeout - commitMargin; drain >= most {
		v.problem(v.set("consumer.drain_timeout", "kafka.rebalance_timeout"),
			"consumer.drain_timeout (%s) is not below kafka.rebalance_timeout - 5s (%s): the group would go on without this worker before it has committed; lower it or raise the other",
			durationText(drain), durationText(most))
	}
}

func (v *validation) retry(key string, r Retry) {
	if r.MaxInterval < r.InitialInterval {
		v.problem(v.set(key+".max_interval", key+".initial_interval"), "max_interval (%s) is less than initial_interval (%s); raise it", durationText(r.MaxInterval), durationText(r.InitialInterval))
	}
}

func (v *validation) rateLimit(key string, r RateLimit) {
	if r.PerSecond > 0 && r.Burst < 1 {
		v.problem(v.set(key+".burst", key+".per_second"), "the burst is 0: with per_second above 0 no call could ever be made; give at least 1")
	}
}

func (v *validation) dedup() {
	d := v.c.Dedup
	switch {
	case d.Store == "redis" && d.Redis == nil:
		v.problem("dedup.store", "the store redis needs its servers; give them, such as redis: {addresses: [127.0.0.1:6379]}")
	case d.Store == "sqlite" && d.Path == "":
		v.problem("dedup.path", "the store sqlite needs a file; give its path")
	}
	if d.Redis != nil {
		v.secret("dedup.redis.password_file", d.Redis.PasswordFile)
		v.tls("dedup.redis.tls", d.Redis.TLS)
		v.redis(*d.Redis)
	}
}

// redis refuses what does not go together. Several addresses without a master's name are a Cluster.
func (v *validation) redis(r Redis) {
	if cluster := len(r.Addresses) > 1 && r.SentinelMaster == ""; cluster {
		if r.DB != 0 {
			v.problem("dedup.redis.db", "a Cluster has database 0 only; with sentinels give sentinel_master")
		}
		if r.WaitReplicas > 0 {
			v.problem("dedup.redis.wait_replicas", "not with a Cluster; set min-replicas-to-write on its servers")
		}
	}
	if r.Username != "" && r.PasswordFile == "" {
		v.problem("dedup.redis.username", "a user without a password; give password_file")
	}
}

// Loopback says whether only this machine can reach the listener.
func (o Ops) Loopback() bool {
	host, _, err := net.SplitHostPort(o.Listen)
	return err != nil || loopback(host)
}

func (v *validation) ops() {
	o := v.c.Ops
	v.secret("ops.tokens_file", o.TokensFile)
	if o.Listen != "" && o.TokensFile == "" && !o.Loopback() {
		v.problem("ops.listen", "other hosts could reach it and there is no ops.tokens_file; give one, or listen on 127.0.0.1")
	}
	if o.ProtectMetrics && o.TokensFile == "" {
		v.problem("ops.protect_metrics", "there are no tokens to ask for; give ops.tokens_file")
	}
	if o.PathPrefix != "" {
		v.problem("ops.path_prefix", "this version serves no pages yet; remove it")
	}
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
