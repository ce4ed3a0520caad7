package compose

import (
	"context"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

// listener is a port that a service listens on.
type listener struct {
	service  string
	port     string
	loopback bool // within its network only
}

// networkOf is the service whose network the service is in.
func (c *Composition) networkOf(s types.ServiceConfig) string {
	if other, ok := strings.CutPrefix(s.NetworkMode, types.ServicePrefix); ok {
		return other
	}
	return s.Name
}

// listeners is everything that is listened on in the network of a service, as the commands and configurations say.
func (c *Composition) listeners(ctx context.Context, network string) []listener {
	var all []listener
	for _, name := range sortedNames(c.Project.Services) {
		s := c.Project.Services[name]
		if c.networkOf(s) != network {
			continue
		}
		for _, address := range c.listens(ctx, s) {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				continue
			}
			ip := net.ParseIP(host)
			all = append(all, listener{name, port, host == "localhost" || ip != nil && ip.IsLoopback()})
		}
	}
	return all
}

// listens is the addresses that a service listens on.
func (c *Composition) listens(ctx context.Context, s types.ServiceConfig) []string {
	if s.Build == nil {
		var addresses []string
		for _, l := range kafkaListeners(s, "KAFKA_LISTENERS") {
			addresses = append(addresses, l.address)
		}
		return addresses
	}
	switch {
	case c.does(s, "simulator"):
		return []string{flagValue(s.Command, "--listen")}
	case c.does(s, "run"):
		if settings, err := c.settings(ctx, s.Name); err == nil { // else it is reported with the service
			return []string{settings.Ops.Listen}
		}
	}
	return nil
}

// flagValue is the value of a flag of a command line.
func flagValue(args []string, name string) string {
	for i, a := range args {
		if value, ok := strings.CutPrefix(a, name+"="); ok {
			return value
		}
		if a == name && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// ports looks at what is published: to this machine only, and something must listen there.
func (r *rules) ports(ctx context.Context) {
	s := r.service
	if s.NetworkMode != "" && len(s.Ports) > 0 {
		r.problem("publishes ports, but its network is that of %s", s.NetworkMode)
	}
	there := r.composition.listeners(ctx, s.Name)
	seen := map[string]string{}
	for _, l := range there {
		if other, twice := seen[l.port]; twice && other != l.service {
			r.problem("%s and %s both listen on port %s of one network", other, l.service, l.port)
		}
		seen[l.port] = l.service
	}
	for _, p := range s.Ports {
		target := strconv.Itoa(int(p.Target))
		if p.HostIP != "127.0.0.1" {
			r.problem("port %s is published to other machines", p.Published)
		}
		i := slices.IndexFunc(there, func(l listener) bool { return l.port == target })
		switch {
		case i < 0:
			r.problem("port %s is published, and nothing listens on it: %v", target, there)
		case there[i].loopback:
			r.problem("port %s is published, and %s listens on it for loopback only", target, there[i].service)
		}
	}
}

// loopbackURL finds addresses of the network that a command asks.
var loopbackURL = regexp.MustCompile(`https?://(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?`)

// addresses looks at where the service connects to: each address must be that of a service that listens there.
func (r *rules) addresses(ctx context.Context) {
	if r.settings == nil {
		return
	}
	for _, address := range r.settings.Kafka.Brokers {
		r.brokerAddress(address)
	}
	for key, gateway := range map[string]string{"top.gateway": r.settings.Top.Gateway, "qimen.outbound.gateway": r.settings.Qimen.Outbound.Gateway} {
		r.loopbackAddress(ctx, key, gateway)
	}
}

// loopbackAddress says whether somebody in the network of a service that runs the worker listens there.
func (r *rules) loopbackAddress(ctx context.Context, what, address string) {
	if r.composition.does(r.service, "topics") {
		return // it asks no gateway
	}
	u, err := url.Parse(address)
	if err != nil || u.Port() == "" {
		r.problem("%s: %q names no port of this composition", what, address)
		return
	}
	network := r.composition.networkOf(r.service)
	if !slices.ContainsFunc(r.composition.listeners(ctx, network), func(l listener) bool { return l.port == u.Port() }) {
		r.problem("%s: nothing listens on port %s in the network of %s", what, u.Port(), network)
	}
}

// brokerAddress must be one that Kafka listens on and tells its clients.
func (r *rules) brokerAddress(address string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		r.problem("kafka.brokers: %v", err)
		return
	}
	s, ok := r.composition.Project.Services[host]
	if !ok {
		r.problem("kafka.brokers: %s is no service", host)
		return
	}
	ports := func(l kafkaListener) bool { return l.port() == port }
	if !slices.ContainsFunc(kafkaListeners(s, "KAFKA_LISTENERS"), ports) {
		r.problem("kafka.brokers: %s does not listen on port %s", host, port)
	}
	if !slices.ContainsFunc(kafkaListeners(s, "KAFKA_ADVERTISED_LISTENERS"), func(l kafkaListener) bool { return l.address == address }) {
		r.problem("kafka.brokers: %s does not tell its clients the address %s", host, address)
	}
	if d, ok := r.service.DependsOn[host]; !ok || d.Condition != types.ServiceConditionHealthy {
		r.problem("connects to %s and does not wait until it is healthy", host)
	}
}

// stopMargin is what stopping takes beside the drain: the last commit, leaving the group, closing the ledger.
const stopMargin = 20 * time.Second

// order looks at who waits for whom, and how long a stop may take.
func (r *rules) order() {
	s := r.service
	for _, name := range sortedNames(s.DependsOn) {
		other, d := r.composition.Project.Services[name], s.DependsOn[name]
		switch d.Condition {
		case types.ServiceConditionHealthy:
			if other.HealthCheck == nil || other.HealthCheck.Disable || len(other.HealthCheck.Test) == 0 {
				r.problem("waits until %s is healthy, which has no health check", name)
			}
		case types.ServiceConditionCompletedSuccessfully:
			if other.Restart != "no" {
				r.problem("waits until %s has ended, which is started again", name)
			}
			if other.HealthCheck != nil && !other.HealthCheck.Disable {
				r.problem("waits until %s has ended, which has a health check", name)
			}
		default:
			r.problem("waits for %s only until it is started", name)
		}
	}
	if network := r.composition.networkOf(s); network != s.Name && !s.DependsOn[network].Restart {
		r.problem("is in the network of %s, and is not started again with it", network)
	}
	if r.settings == nil || !r.composition.does(s, "run") {
		return
	}
	drain, err := time.ParseDuration(r.settings.Consumer.DrainTimeout)
	if err != nil {
		r.problem("consumer.drain_timeout: %v", err)
		return
	}
	if s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < drain+stopMargin {
		r.problem("stop_grace_period must be at least consumer.drain_timeout + %s = %s", stopMargin, drain+stopMargin)
	}
	for _, other := range r.composition.Project.Services {
		if r.composition.does(other, "topics") && s.DependsOn[other.Name].Condition != types.ServiceConditionCompletedSuccessfully {
			r.problem("does not wait until %s has ended", other.Name)
		}
	}
}
