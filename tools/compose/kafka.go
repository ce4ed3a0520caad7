package compose

import (
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// kafkaNames are the variables that the image apache/kafka documents: CLUSTER_ID, and the properties of a broker in upper
// case with KAFKA_ before them. A misspelt one would become a property that Kafka does not know, without a word.
var kafkaNames = []string{
	"CLUSTER_ID",
	"KAFKA_ADVERTISED_LISTENERS",
	"KAFKA_AUTO_CREATE_TOPICS_ENABLE",
	"KAFKA_CONTROLLER_LISTENER_NAMES",
	"KAFKA_CONTROLLER_QUORUM_BOOTSTRAP_SERVERS",
	"KAFKA_CONTROLLER_QUORUM_VOTERS",
	"KAFKA_DEFAULT_REPLICATION_FACTOR",
	"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS",
	"KAFKA_HEAP_OPTS",
	"KAFKA_INTER_BROKER_LISTENER_NAME",
	"KAFKA_LISTENERS",
	"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
	"KAFKA_LOG_DIRS",
	"KAFKA_LOG_RETENTION_HOURS",
	"KAFKA_MESSAGE_MAX_BYTES",
	"KAFKA_MIN_INSYNC_REPLICAS",
	"KAFKA_NODE_ID",
	"KAFKA_NUM_PARTITIONS",
	"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR",
	"KAFKA_PROCESS_ROLES",
	"KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR",
	"KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR",
	"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR",
	"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR",
}

// kafkaListener is one part of KAFKA_LISTENERS or KAFKA_ADVERTISED_LISTENERS: NAME://host:port.
type kafkaListener struct {
	name    string
	address string // host:port; the host may be empty
}

func (l kafkaListener) port() string {
	_, port, _ := net.SplitHostPort(l.address)
	return port
}

func kafkaListeners(s types.ServiceConfig, variable string) []kafkaListener {
	var all []kafkaListener
	for part := range strings.SplitSeq(value(s, variable), ",") {
		if name, address, ok := strings.Cut(part, "://"); ok {
			all = append(all, kafkaListener{name, address})
		}
	}
	return all
}

func value(s types.ServiceConfig, variable string) string {
	if v := s.Environment[variable]; v != nil {
		return *v
	}
	return ""
}

var bootstrapServer = regexp.MustCompile(`--bootstrap-server ([^ ]+)`)

// kafka looks at the broker's settings, as far as they must agree with each other.
func (r *rules) kafka() {
	s := r.service
	for _, name := range sortedNames(s.Environment) {
		if !slices.Contains(kafkaNames, name) {
			r.problem("environment: the image documents no %s", name)
		}
	}
	protocols := map[string]bool{}
	for part := range strings.SplitSeq(value(s, "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"), ",") {
		name, _, _ := strings.Cut(part, ":")
		protocols[name] = true
	}
	listeners, advertised := kafkaListeners(s, "KAFKA_LISTENERS"), kafkaListeners(s, "KAFKA_ADVERTISED_LISTENERS")
	ports := map[string]string{}
	for _, l := range listeners {
		ports[l.name] = l.port()
		if !protocols[l.name] {
			r.problem("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP lacks %s", l.name)
		}
	}
	for _, l := range advertised {
		if ports[l.name] != l.port() {
			r.problem("clients are told %s for %s, where it listens on port %q", l.address, l.name, ports[l.name])
		}
	}
	for _, variable := range []string{"KAFKA_INTER_BROKER_LISTENER_NAME", "KAFKA_CONTROLLER_LISTENER_NAMES"} {
		if ports[value(s, variable)] == "" {
			r.problem("%s is none of KAFKA_LISTENERS", variable)
		}
	}
	if _, voter, _ := strings.Cut(value(s, "KAFKA_CONTROLLER_QUORUM_VOTERS"), "@"); voter != s.Hostname+":"+ports[value(s, "KAFKA_CONTROLLER_LISTENER_NAMES")] {
		r.problem("KAFKA_CONTROLLER_QUORUM_VOTERS names %s", voter)
	}
	if s.HealthCheck == nil || len(s.HealthCheck.Test) == 0 {
		r.problem("has no health check")
		return
	}
	asked := bootstrapServer.FindStringSubmatch(strings.Join(s.HealthCheck.Test, " "))
	if asked == nil || !slices.ContainsFunc(advertised, func(l kafkaListener) bool { return l.address == asked[1] }) {
		r.problem("health check: asks %q, which is none of KAFKA_ADVERTISED_LISTENERS", asked)
	}
	dirs := value(s, "KAFKA_LOG_DIRS")
	if !slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Type == types.VolumeTypeVolume && v.Target == dirs }) {
		r.problem("KAFKA_LOG_DIRS %s is on no volume", dirs)
	}
}
