package compose

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// Container is a service with the file system that it would have.
type Container struct {
	Service types.ServiceConfig
	Image   *Image
	Root    string // folder that holds its file system
}

func newContainer(s types.ServiceConfig, m *Image, root string) (*Container, error) {
	c := &Container{Service: s, Image: m, Root: root}
	if err := placeTree(m.Root, root, linkFile, nil); err != nil {
		return nil, err
	}
	for _, v := range s.Volumes {
		var err error
		switch v.Type {
		case types.VolumeTypeBind:
			err = copyFile(v.Source, filepath.Join(root, v.Target))
		case types.VolumeTypeVolume:
			err = os.MkdirAll(filepath.Join(root, v.Target), 0o700)
		default:
			err = fmt.Errorf("this check does not know mounts of type %s; teach it", v.Type)
		}
		if err != nil {
			return nil, fmt.Errorf("service %s: mount at %s: %w", s.Name, v.Target, err)
		}
	}
	return c, nil
}

// command is the binary of the image with args, in the service's environment and nothing else. Paths of the container
// become those of the folder.
func (c *Container) command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	entrypoint := c.Image.Entrypoint
	if len(c.Service.Entrypoint) > 0 {
		entrypoint = c.Service.Entrypoint
	}
	if len(entrypoint) != 1 {
		return nil, fmt.Errorf("service %s: the entrypoint is %q, want the binary alone", c.Service.Name, entrypoint)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.Root, entrypoint[0]))
	for _, a := range args {
		cmd.Args = append(cmd.Args, c.inside(a))
	}
	cmd.Dir = filepath.Join(c.Root, c.Image.Workdir)
	cmd.Env = []string{} // not nil, which would be this process's
	for _, name := range sortedNames(c.Service.Environment) {
		if value := c.Service.Environment[name]; value != nil {
			cmd.Env = append(cmd.Env, name+"="+c.inside(*value))
		}
	}
	return cmd, nil
}

// inside turns an absolute path of the container into that of the folder.
func (c *Container) inside(text string) string {
	if filepath.IsAbs(text) {
		return filepath.Join(c.Root, text)
	}
	return text
}

// run runs the binary to its end.
func (c *Container) run(ctx context.Context, args ...string) (stdout string, code int, stderr string) {
	cmd, err := c.command(ctx, args...)
	if err != nil {
		return "", -1, err.Error()
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", -1, err.Error()
	}
	return out.String(), cmd.ProcessState.ExitCode(), errs.String()
}

// Settings are those keys of the worker's configuration that have to agree with docker-compose.yml.
type Settings struct {
	Kafka struct {
		Brokers         []string
		Topics          []json.RawMessage
		DeadLetterTopic string `json:"dead_letter_topic"`
		ActionsTopic    string `json:"actions_topic"`
		ResultsTopic    string `json:"results_topic"`
	}
	Top   struct{ Gateway string }
	Qimen struct {
		Outbound struct{ Gateway string }
		Inbound  struct{ Topic string }
	}
	Consumer struct {
		DrainTimeout string `json:"drain_timeout"`
	}
	Dedup struct{ Path string }
	Ops   struct{ Listen string }

	paths map[string]string // every path of the configuration, by key
}

// settings is the configuration that the service would have: its files and its environment, read by the binary itself,
// which also refuses what it does not know and what is unsafe.
func (c *Container) settings(ctx context.Context) (*Settings, error) {
	text, code, stderr := c.run(ctx, "config", "print", "-o", "json")
	if code != 0 {
		return nil, fmt.Errorf("exit code %d: %s", code, strings.ReplaceAll(stderr, c.Root, ""))
	}
	var all any
	s := &Settings{paths: map[string]string{}}
	if err := errors.Join(json.Unmarshal([]byte(text), s), json.Unmarshal([]byte(text), &all)); err != nil {
		return nil, err
	}
	collectPaths("", all, s.paths)
	for key, path := range s.paths {
		s.paths[key] = c.outside(path)
	}
	s.Dedup.Path = c.outside(s.Dedup.Path)
	return s, nil
}

// outside turns a path of the folder into that of the container.
func (c *Container) outside(path string) string {
	if inside, ok := strings.CutPrefix(path, c.Root); ok {
		return inside
	}
	return path
}

// collectPaths finds the values of keys that hold paths.
func collectPaths(at string, value any, found map[string]string) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			collectPaths(strings.TrimPrefix(at+"."+name, "."), member, found)
		}
	case string:
		if v != "" && (strings.HasSuffix(at, "_file") || strings.HasSuffix(at, ".path") || strings.HasSuffix(at, "_dir")) {
			found[at] = v
		}
	}
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
