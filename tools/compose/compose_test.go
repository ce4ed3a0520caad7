package compose

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

const repo = "../.."

// load builds the images and reads the composition.
func load(t *testing.T) (context.Context, *Composition) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	root, err := filepath.Abs(repo)
	if err != nil {
		t.Fatal(err)
	}
	images, err := Build(ctx, root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(ctx, root, images, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return ctx, c
}

// TestComposition holds docker-compose.yml and the Dockerfile against the binary: each command line, configuration, path,
// port, health check and name of the environment.
func TestComposition(t *testing.T) {
	ctx, c := load(t)
	for _, p := range c.Problems(ctx) {
		t.Error(p)
	}

	// Each of these mistakes must be found.
	for _, m := range []struct {
		name, service string
		break_        func(s *types.ServiceConfig)
		found         string
	}{
		{"a flag that does not exist", "simulator", func(s *types.ServiceConfig) { s.Command = append(s.Command, "--no-such-flag") }, "no-such-flag"},
		{"a command that does not exist", "worker", func(s *types.ServiceConfig) { s.Command = types.ShellCommand{"runn"} }, "runn"},
		{"a variable that is no key", "worker", func(s *types.ServiceConfig) {
			value := "x"
			s.Environment["TOPRELAY_KAFKA__BROKER"] = &value
		}, "TOPRELAY_KAFKA__BROKER"},
		{"a variable that Kafka does not know", "kafka", func(s *types.ServiceConfig) {
			value := "x"
			s.Environment["KAFKA_NO_SUCH_SETTING"] = &value
		}, "KAFKA_NO_SUCH_SETTING"},
		{"a port that nobody listens on", "simulator", func(s *types.ServiceConfig) { s.Ports[0].Target = 8099 }, "8099"},
		{"a health check that does not exist", "worker", func(s *types.ServiceConfig) {
			s.HealthCheck.Test = types.HealthCheckTest{"CMD", "/usr/local/bin/worker", "healthy"}
		}, "health"},
		{"an image without version", "kafka", func(s *types.ServiceConfig) { s.Image = "apache/kafka" }, "names no version"},
		{"a file system that can be written", "worker", func(s *types.ServiceConfig) { s.ReadOnly = false }, "can be written"},
	} {
		t.Run(m.name, func(t *testing.T) {
			_, c := ctx, *c
			services := types.Services{}
			for name, s := range c.Project.Services {
				services[name] = s
			}
			project := *c.Project
			project.Services = services
			c.Project = &project
			s := services[m.service]
			s.Ports = append([]types.ServicePortConfig(nil), s.Ports...)
			s.Command = append(types.ShellCommand(nil), s.Command...)
			if s.HealthCheck != nil {
				check := *s.HealthCheck
				s.HealthCheck = &check
			}
			environment := types.MappingWithEquals{}
			for name, value := range s.Environment {
				environment[name] = value
			}
			s.Environment = environment
			m.break_(&s)
			services[m.service] = s
			problems := strings.Join(c.Problems(ctx), "\n")
			if !strings.Contains(problems, m.found) {
				t.Errorf("not found; the problems are:\n%s", problems)
			}
		})
	}
}
