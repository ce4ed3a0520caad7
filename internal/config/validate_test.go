package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/toprelay/worker/schemas"
)

func catalogue(t *testing.T) *schemas.Catalogue {
	t.Helper()
	known, err := schemas.Load("")
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// secrets makes a folder with secret files: good, empty and open, which others can read.
func secrets(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"good": 0o600, "empty": 0o600, "open": 0o644} {
		text := "s3cret\n"
		if name == "empty" {
			text = "\n"
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask is
			t.Fatal(err)
		}
	}
	return dir
}

const good = "top: {accounts: {default: {app_key: '1', app_secret_file: good, session_file: good}}}\n"

func TestValidate(t *testing.T) {
	dir := secrets(t)
	known := catalogue(t)
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"the least file", good, nil},
		{"no account", "log: {}\n", []string{"default: top.accounts: there is no account to sign calls with; give one..."}},
		{"secret files", `
top:
  accounts:
    a b: {app_key: '1', app_secret_file: good}
    gone: {app_key: '1', app_secret_file: gone}
    empty: {app_key: '1', app_secret_file: empty}
    open: {app_key: '1', app_secret_file: good, session_file: open}
kafka: {sasl: {mechanism: plain, username: u, password_file: open}}
ops: {tokens_file: empty}
dedup: {redis: {password_file: gone}}
`, []string{
			"c.yaml:4:5: top.accounts.a b: the name of an account...",
			"c.yaml:5:26: top.accounts.gone.app_secret_file: ...",
			"c.yaml:6:27: top.accounts.empty.app_secret_file: ...",
			"c.yaml:7:49: top.accounts.open.session_file: ...",
			"c.yaml:8:47: kafka.sasl.password_file: ...",
			"c.yaml:9:7: ops.tokens_file: ...",
			"c.yaml:10:17: dedup.redis.password_file: ...",
		}},
		{"certificates", good + "kafka: {tls: {cert_file: good}}\ndedup: {redis: {tls: {ca_file: good, key_file: open}}}\n", []string{
			"c.yaml:2:9: kafka.tls: cert_file and key_file go together; give both or none",
			"c.yaml:3:17: dedup.redis.tls: cert_file and key_file go together; give both or none",
		}},
		{"certificates that cannot be read", good + "kafka: {tls: {ca_file: good}}\ndedup: {redis: {tls: {cert_file: good, key_file: open}}}\n", []string{
			"c.yaml:2:9: kafka.tls: reading ca_file: ...",
			"c.yaml:3:40: dedup.redis.tls.key_file: ...",
			"c.yaml:3:17: dedup.redis.tls: reading cert_file and key_file: ...",
		}},
		{"plain HTTP to others", "top: {gateway: 'http://example.com/router/rest', accounts: {default: {app_key: '1', app_secret_file: good}}}\nqimen: {outbound: {gateway: 'http://10.0.0.1/'}}\n", []string{
			"c.yaml:1:7: top.gateway: plain HTTP to example.com would show...",
			"c.yaml:2:20: qimen.outbound.gateway: plain HTTP to 10.0.0.1 would show...",
		}},
		{"plain HTTP to loopback", "top: {gateway: 'http://localhost:1/router/rest', accounts: {default: {app_key: '1', app_secret_file: good}}}\nqimen: {outbound: {gateway: 'http://[::1]:1/'}}\n", nil},
		{"a topic with two uses", good + `kafka:
  topics: [a, b, a, c]
  dead_letter_topic: b
  actions_topic: c
  results_topic: d
qimen: {inbound: {topic: d}}
`, []string{
			"c.yaml:3:18: kafka.topics[2]: the topic a stands here twice, first as kafka.topics[0]; remove one",
			"c.yaml:3:15: kafka.topics[1]: b is the topic of kafka.dead_letter_topic: the worker would consume its own dead letters...",
			"c.yaml:3:21: kafka.topics[3]: c is the topic of kafka.actions_topic: ...",
			"c.yaml:7:19: qimen.inbound.topic: the topic d is that of kafka.results_topic too; choose another",
		}},
		{"the inbound topic consumed", good + "kafka: {topics: [top.inbound.work-orders]}\n", []string{
			"c.yaml:2:18: kafka.topics[0]: top.inbound.work-orders is the topic of qimen.inbound.topic: the worker would consume what the platform issued to us, and send it back; remove it from kafka.topics",
		}},
		{"unknown names", good + `methods:
  taobao.logistics.provider.workorder.sync: {timeout: 1s}
types: {top.workorder.sink.v1: {}}
kafka: {topics: [{name: a, plain: {type: top.nothing, source: s, id: [/a]}}]}
qimen: {inbound: {accounts: [defult]}}
`, []string{
			"c.yaml:3:3: methods.taobao.logistics.provider.workorder.sync: unknown method; did you mean taobao.logistics.provider.work.order.sync?...",
			"c.yaml:4:9: types.top.workorder.sink.v1: unknown event type; did you mean top.workorder.sync.v1?...",
			"c.yaml:5:36: kafka.topics[0].plain.type: unknown event type...",
			`c.yaml:6:30: qimen.inbound.accounts[0]: there is no account "defult" in top.accounts; did you mean default?`,
		}},
		{"times", good + `methods: {taobao.logistics.provider.work.order.sync: {timeout: 20s}}
kafka: {rebalance_timeout: 25s, heartbeat_interval: 5s}
`, []string{
			"c.yaml:2:55: methods.taobao.logistics.provider.work.order.sync.timeout: methods.taobao.logistics.provider.work.order.sync.timeout (20s) is not below consumer.drain_timeout (20s)...",
			"c.yaml:3:9: kafka.rebalance_timeout: consumer.drain_timeout (20s) is not below kafka.rebalance_timeout - 5s (20s)...",
			"c.yaml:3:33: kafka.heartbeat_interval: heartbeat_interval (5s) is not below half of session_timeout (10s)...",
		}},
		{"a short drain", good + "consumer: {drain_timeout: 15s}\n", []string{
			"c.yaml:2:12: consumer.drain_timeout: top.timeout (15s) is not below consumer.drain_timeout (15s)...",
		}},
		{"a drain that is just short enough", good + "consumer: {drain_timeout: 15001ms}\nkafka: {rebalance_timeout: 20002ms}\n", nil},
		{"numbers that do not go together", good + `consumer: {max_event_bytes: 900KiB, max_buffered_bytes: 1MiB}
retry: {initial_interval: 2m}
methods: {taobao.logistics.provider.work.order.sync: {rate_limit: {burst: 0}, duplicate_codes: [A, B], transient_codes: [B]}}
`, []string{
			"c.yaml:3:9: retry.initial_interval: max_interval (1m) is less than initial_interval (2m); raise it",
			"c.yaml:4:68: methods.taobao.logistics.provider.work.order.sync.rate_limit.burst: the burst is 0...",
			`c.yaml:4:100: methods.taobao.logistics.provider.work.order.sync.duplicate_codes[1]: the code "B" is in transient_codes too...`,
		}},
		{"what this version does not have", good + `dedup: {}
types: {top.workorder.sync.v1: {on_dead_letter: hold}}
qimen: {inbound: {listen: ':9000'}}
ops: {path_prefix: /x}
`, []string{
			"c.yaml:3:33: types.top.workorder.sync.v1.on_dead_letter: this version does not hold keys yet; use continue",
			"c.yaml:4:19: qimen.inbound.listen: this version has no receiver yet; leave it empty",
			"c.yaml:5:7: ops.path_prefix: this version serves no pages yet; remove it",
		}},
		{"store without its servers", good + "dedup: {store: redis}\n", []string{"c.yaml:2:9: dedup.store: the store redis needs its servers..."}},
		{"store with its servers", good + "dedup: {store: redis, redis: {db: 3, wait_replicas: 1, username: u, password_file: good}}\n", nil},
		{"sentinels", good + "dedup: {store: redis, redis: {addresses: ['a:1', 'b:1'], sentinel_master: m, db: 3, wait_replicas: 1}}\n", nil},
		{"what a Cluster has not", good + "dedup: {store: redis, redis: {addresses: ['a:1', 'b:1'], db: 3, wait_replicas: 1, username: u}}\n", []string{
			"c.yaml:2:58: dedup.redis.db: a Cluster...",
			"c.yaml:2:65: dedup.redis.wait_replicas: not with a Cluster...",
			"c.yaml:2:83: dedup.redis.username: a user without a password...",
		}},
		{"store without a file", good + "dedup: {path: ''}\n", []string{"c.yaml:2:9: dedup.path: the store sqlite needs a file; give its path"}},
		{"memory without a file", good + "dedup: {store: memory, path: ''}\n", nil},
		{"ops for other hosts", good + "ops: {listen: ':8080', protect_metrics: true}\n", []string{
			"c.yaml:2:7: ops.listen: other hosts could reach it and there is no ops.tokens_file; give one, or listen on 127.0.0.1",
			"c.yaml:2:24: ops.protect_metrics: there are no tokens to ask for; give ops.tokens_file",
		}},
		{"ops for other hosts with tokens", good + "ops: {listen: '0.0.0.0:8080', protect_metrics: true, tokens_file: good}\n", nil},
		{"ops on loopback", good + "ops: {listen: '[::1]:0'}\n", nil},
		{"no ops", good + "ops: {listen: ''}\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load("c.yaml", []byte(tt.text), Options{})
			if err != nil {
				t.Fatal(err)
			}
			placeSecrets(c, dir)
			sameLines(t, lines(t, c.Validate(known)), tt.want)
		})
	}
}

// placeSecrets makes the paths of the secrets start at dir, as if the file were there.
func placeSecrets(c *Config, dir string) {
	move := func(path *string) {
		if *path != "" {
			*path = filepath.Join(dir, filepath.Base(*path))
		}
	}
	for name, a := range c.Top.Accounts {
		move(&a.AppSecretFile)
		move(&a.SessionFile)
		c.Top.Accounts[name] = a
	}
	move(&c.Ops.TokensFile)
	if c.Kafka.SASL != nil {
		move(&c.Kafka.SASL.PasswordFile)
	}
	if c.Dedup.Redis != nil {
		move(&c.Dedup.Redis.PasswordFile)
		for _, t := range []*TLS{c.Kafka.TLS, c.Dedup.Redis.TLS} {
			if t != nil {
				move(&t.CAFile)
				move(&t.CertFile)
				move(&t.KeyFile)
			}
		}
	}
}

func TestValidateKafkaNeedsNoAccounts(t *testing.T) {
	c := loadText(t, "kafka: {topics: [a, a]}\n", Options{})
	sameLines(t, lines(t, c.ValidateKafka()), []string{"/etc/toprelay/c.yaml:1:21: kafka.topics[1]: the topic a stands here twice..."})
	if err := Default().ValidateKafka(); err != nil {
		t.Error(err)
	}
}

func TestProblemsOfOtherLayersNameThem(t *testing.T) {
	c := loadText(t, accounts, Options{Env: []string{"TOPRELAY_TOP__GATEWAY=http://example.com/"}, Sets: []string{"dedup.store=redis"}})
	got := lines(t, c.Validate(catalogue(t)))
	sameLines(t, got, []string{
		"/etc/toprelay/c.yaml:1:42: top.accounts.default.app_secret_file: ...",
		"TOPRELAY_TOP__GATEWAY: top.gateway: plain HTTP...",
		"--set dedup.store: dedup.store: the store redis...",
	})
}
