package compose

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestComposition(t *testing.T) {
	c, err := load(t, repo)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range c.Problems(t.Context()) {
		t.Error(problem)
	}
	if names := sortedNames(c.Project.Services); !slices.Equal(names, []string{"kafka", "simulator", "topics", "worker"}) {
		t.Errorf("the services are %v", names)
	}
}

// change replaces a text that stands in a file.
type change struct{ file, old, new string }

const (
	composeFile = "docker-compose.yml"
	configFile  = "deploy/compose/toprelay.yaml"
)

// TestBrokenCompositions breaks one thing after the other: each must be found.
func TestBrokenCompositions(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  change
		problem string // a part of one of the problems
	}{
		{"a flag that does not exist", change{composeFile, "--allow-remote,", "--allow-all,"}, "unknown flag: --allow-all"},
		{"a flag of another type", change{composeFile, "[topics, create]", "[topics, create, --partitions, many]"}, "invalid argument"},
		{"a command that does not exist", change{composeFile, "[topics, create]", "[topics, make]"}, `there is no command "topics make"`},
		{"a command that does not exist at all", change{composeFile, "command: [run]", "command: [serve]"}, `there is no command "serve"`},
		{"a key that does not exist", change{configFile, "results_topic", "result_topic"}, "unknown key"},
		{"a value that is refused", change{configFile, "127.0.0.1:8090/router/rest", "simulator:8090/router/rest"}, "plain HTTP"},
		{"a variable that does not exist", change{composeFile, "TOPRELAY_CONFIG:", "TOPRELAY_CONFIGURATION:"}, "reads no TOPRELAY_CONFIGURATION"},
		{"a variable that is no key", change{composeFile, "TOPRELAY_CONFIG: /etc/toprelay/toprelay.yaml}", "TOPRELAY_CONFIG: /etc/toprelay/toprelay.yaml, TOPRELAY_KAFKA__BROKER: x}"}, "TOPRELAY_KAFKA__BROKER: unknown key"},
		{"a variable of another program", change{composeFile, "TOPRELAY_CONFIG:", "RELAY_CONFIG:"}, "reads no RELAY_CONFIG"},
		{"a variable with another path", change{composeFile, "TOPRELAY_CONFIG: /etc/toprelay/", "TOPRELAY_CONFIG: /etc/relay/"}, "no such file"},
		{"a misspelt variable of Kafka", change{composeFile, "KAFKA_LOG_DIRS:", "KAFKA_LOGS_DIRS:"}, "documents no KAFKA_LOGS_DIRS"},
		{"another port of the simulator", change{composeFile, "0.0.0.0:8090", "0.0.0.0:8091"}, "nothing listens on port 8090 in the network of simulator"},
		{"another port of the gateway", change{configFile, "127.0.0.1:8090/router/qm", "127.0.0.1:8099/router/qm"}, "qimen.outbound.gateway: nothing listens on port 8099"},
		{"another port of the health check", change{composeFile, "http://127.0.0.1:8090/router/rest", "http://127.0.0.1:8099/router/rest"}, "health check: nothing listens on port 8099"},
		{"another port of the worker", change{configFile, "0.0.0.0:8080", "0.0.0.0:8081"}, "port 8080 is published, and nothing listens"},
		{"two on one port", change{configFile, "0.0.0.0:8080", "0.0.0.0:8090"}, "both listen on port 8090"},
		{"a worker that only loopback reaches", change{configFile, "0.0.0.0:8080", "127.0.0.1:8080"}, "for loopback only"},
		{"a worker without tokens", change{configFile, "  tokens_file: secrets/ops-tokens\n", ""}, "ops.tokens_file"},
		{"a port for everybody", change{composeFile, "127.0.0.1:9092:9092", "9092:9092"}, "published to other machines"},
		{"another port of Kafka", change{configFile, "kafka:19092", "kafka:9092"}, "does not tell its clients the address kafka:9092"},
		{"another name of Kafka", change{configFile, "kafka:19092", "broker:19092"}, "broker is no service"},
		{"an address that nobody listens on", change{composeFile, "PLAINTEXT_HOST://localhost:9092,PLAINTEXT://kafka:19092", "PLAINTEXT_HOST://localhost:9092,PLAINTEXT://kafka:19093"}, "clients are told kafka:19093"},
		{"a listener without protocol", change{composeFile, "PLAINTEXT_HOST:PLAINTEXT\n", "OTHER:PLAINTEXT\n"}, "lacks PLAINTEXT_HOST"},
		{"a health check of Kafka that asks elsewhere", change{composeFile, "--bootstrap-server localhost:9092", "--bootstrap-server localhost:9093"}, "is none of KAFKA_ADVERTISED_LISTENERS"},
		{"records of Kafka in the container", change{composeFile, "KAFKA_LOG_DIRS: /var/lib/kafka/data", "KAFKA_LOG_DIRS: /tmp/kafka"}, "is on no volume"},
		{"Kafka without a version", change{composeFile, "apache/kafka:4.1.1", "apache/kafka"}, "names no version"},
		{"a health check flag that does not exist", change{composeFile, `"check", "--running"]`, `"check", "--alive"]`}, "unknown flag: --alive"},
		{"a health check with a shell", change{composeFile, `["CMD", "/usr/local/bin/worker", "check", "--running"]`, `["CMD-SHELL", "/usr/local/bin/worker check --running"]`}, "the image has none"},
		{"a health check of another binary", change{composeFile, `["CMD", "/usr/local/bin/worker", "check", "--running"]`, `["CMD", "/worker", "check", "--running"]`}, "/worker is not the binary"},
		{"a health check that is cut short", change{composeFile, "timeout: 6s\n      retries: 12\n      start_period: 30s", "timeout: 5s\n      retries: 12"}, "time-out must be above 5s"},
		{"no health check of its own", change{composeFile, "    restart: \"no\"\n    healthcheck: {disable: true}", "    restart: \"no\""}, "has the health check of the image"},
		{"a ledger that is lost", change{composeFile, "ledger:/var/lib/toprelay", "ledger:/data"}, "dedup.path /var/lib/toprelay/toprelay.db is on no volume"},
		{"a ledger elsewhere", change{configFile, "/var/lib/toprelay/toprelay.db", "/data/toprelay.db"}, "dedup.path /data/toprelay.db is on no volume"},
		{"a secret that is not there", change{configFile, "session_file: secrets/session", "session_file: secrets/token"}, "top.accounts.default.session_file"},
		{"an image without secrets", change{composeFile, "target: development", "target: worker"}, "secret file /etc/toprelay/secrets/app-secret: no such file"},
		{"a stage that does not exist", change{composeFile, "target: development", "target: debug"}, `"debug" is no stage`},
		{"a build argument that does not exist", change{composeFile, "VERSION: $", "RELEASE: $"}, "build argument RELEASE"},
		{"a file that is not mounted", change{composeFile, "source: ./deploy/compose/toprelay.yaml", "source: ./deploy/toprelay.yaml"}, "no such file"},
		{"a mount that can be written", change{composeFile, "  read_only: true\n  bind:", "  read_only: false\n  bind:"}, "can write"},
		{"secrets of Compose", change{composeFile, "    network_mode: service:simulator", "    configs: [x]\n    network_mode: service:simulator"}, "has secrets or configs"},
		{"a root file system that can be written", change{composeFile, "  read_only: true\n  cap_drop", "  cap_drop"}, "its root file system can be written"},
		{"root", change{composeFile, `user: "65532:65532"`, `user: "0:0"`}, `user is "0:0"`},
		{"capabilities", change{composeFile, "  cap_drop: [ALL]\n  security_opt", "  security_opt"}, "keeps capabilities"},
		{"privileges", change{composeFile, "  cap_drop: [ALL]\n  security_opt: [\"no-new-privileges:true\"]", "  cap_drop: [ALL]"}, "can gain privileges"},
		{"an old image", change{composeFile, "pull_policy: build", "pull_policy: missing"}, "pull_policy"},
		{"a worker in a network of its own", change{composeFile, "    network_mode: service:simulator", "    network_mode: none"}, "nothing listens on port 8090 in the network of worker"},
		{"a worker that loses its network", change{composeFile, "condition: service_healthy, restart: true", "condition: service_healthy"}, "is not started again with it"},
		{"a worker before its topics", change{composeFile, "      topics: {condition: service_completed_successfully}\n", ""}, "does not wait until topics has ended"},
		{"topics that are never done", change{composeFile, "    restart: \"no\"", "    restart: always"}, "which is started again"},
		{"a stop that is cut short", change{composeFile, "stop_grace_period: 45s", "stop_grace_period: 10s"}, "stop_grace_period"},
		{"other topics", change{composeFile, "    environment: {TOPRELAY_CONFIG: /etc/toprelay/toprelay.yaml}\n    volumes: [*configuration]", "    environment: {TOPRELAY_CONFIG: /etc/toprelay/toprelay.yaml, TOPRELAY_KAFKA__RESULTS_TOPIC: other}\n    volumes: [*configuration]"}, "are not those that the worker uses"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := copyOf(t, test.change)
			var problems []string
			c, err := load(t, dir)
			if err != nil {
				problems = []string{err.Error()}
			} else {
				problems = c.Problems(t.Context())
			}
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, test.problem) }) {
				t.Errorf("got %q, want one with %q", problems, test.problem)
			}
		})
	}
}

// copyOf copies what the composition is made of, but for the sources, and changes one text.
func copyOf(t *testing.T, c change) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{composeFile, configFile} {
		text, err := os.ReadFile(filepath.Join(repo, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == c.file {
			if !strings.Contains(string(text), c.old) {
				t.Fatalf("%s has no %q", name, c.old)
			}
			text = []byte(strings.ReplaceAll(string(text), c.old, c.new))
		}
		if name == composeFile && strings.Contains(c.new, "configs: [x]") {
			text = append(text, "\nconfigs: {x: {content: x}}\n"...)
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
