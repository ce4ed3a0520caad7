package compose

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// testVersion is the build argument VERSION that the images are built with.
const testVersion = "v0.0.0-compose-test"

// Image is a stage of the Dockerfile, carried out in a folder.
type Image struct {
	Name string
	Base string // name of an earlier stage, "scratch", or an image of a registry
	Root string // folder that holds its file system

	User, Workdir    string
	Entrypoint, Cmd  []string
	Health           []string // the command of HEALTHCHECK; its first word is CMD or CMD-SHELL
	HealthTimeout    time.Duration
	Volumes, Ports   []string
	Args             []string          // names of build arguments
	Owners           map[string]string // of what was copied with --chown, by path
	env              map[string]string
	buildEnvironment map[string]string // build arguments
}

// readDockerfile parses a Dockerfile as Docker does.
func readDockerfile(path string) ([]instructions.Stage, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return stages, nil
}

// Build carries out the Dockerfile of repo in the folder out, stage by stage. What its RUN instructions write goes below
// /image, which stands for a folder here; the images of registries are taken for empty but for what names.
func Build(ctx context.Context, repo, out string) ([]*Image, error) {
	stages, err := readDockerfile(filepath.Join(repo, "Dockerfile"))
	if err != nil {
		return nil, err
	}
	var images []*Image
	byName := map[string]*Image{}
	for _, stage := range stages {
		m := &Image{
			Name: stage.Name, Base: stage.BaseName, Root: filepath.Join(out, stage.Name),
			Owners: map[string]string{}, env: map[string]string{}, buildEnvironment: map[string]string{},
		}
		if stage.Name == "" || byName[stage.Name] != nil {
			return nil, fmt.Errorf("stage %q of the Dockerfile has no name of its own", stage.Name)
		}
		if err := m.begin(byName[stage.BaseName]); err != nil {
			return nil, err
		}
		for _, c := range stage.Commands {
			if err := m.apply(ctx, c, repo, byName); err != nil {
				return nil, fmt.Errorf("stage %s of the Dockerfile: %s: %w", m.Name, c.Name(), err)
			}
		}
		images = append(images, m)
		byName[m.Name] = m
	}
	return images, nil
}

// begin takes over all of the stage that this one begins from.
func (m *Image) begin(base *Image) error {
	if err := os.MkdirAll(m.Root, 0o755); err != nil {
		return err
	}
	if base == nil {
		if m.Base == "scratch" {
			return nil
		}
		// What an image with Go brings along and the Dockerfile takes from it.
		authorities := filepath.Join(m.Root, "etc/ssl/certs/ca-certificates.crt")
		if err := os.MkdirAll(filepath.Dir(authorities), 0o755); err != nil {
			return err
		}
		return os.WriteFile(authorities, []byte("authorities"), 0o644)
	}
	m.User, m.Workdir, m.Entrypoint, m.Cmd = base.User, base.Workdir, base.Entrypoint, base.Cmd
	m.Health, m.HealthTimeout, m.Volumes, m.Ports = base.Health, base.HealthTimeout, base.Volumes, base.Ports
	m.Owners, m.env = maps.Clone(base.Owners), maps.Clone(base.env)
	return copyTree(base.Root, m.Root, nil)
}

func (m *Image) apply(ctx context.Context, c instructions.Command, repo string, stages map[string]*Image) error {
	switch c := c.(type) {
	case *instructions.EnvCommand:
		for _, kv := range c.Env {
			m.env[kv.Key] = kv.Value
		}
	case *instructions.ArgCommand:
		for _, a := range c.Args {
			m.Args = append(m.Args, a.Key)
			given, ok := map[string]string{"VERSION": testVersion, "TARGETOS": runtime.GOOS, "TARGETARCH": runtime.GOARCH}[a.Key]
			if !ok && a.Value != nil {
				given, ok = *a.Value, true
			}
			if ok {
				m.buildEnvironment[a.Key] = given
			}
		}
	case *instructions.WorkdirCommand:
		m.Workdir = c.Path
		return os.MkdirAll(m.at(c.Path), 0o755)
	case *instructions.CopyCommand:
		return m.copy(c, repo, stages)
	case *instructions.RunCommand:
		return m.run(ctx, c)
	case *instructions.UserCommand:
		m.User = c.User
	case *instructions.VolumeCommand:
		m.Volumes = append(m.Volumes, c.Volumes...)
	case *instructions.ExposeCommand:
		m.Ports = append(m.Ports, c.Ports...)
	case *instructions.EntrypointCommand:
		m.Entrypoint = words(c.ShellDependantCmdLine)
	case *instructions.CmdCommand:
		m.Cmd = words(c.ShellDependantCmdLine)
	case *instructions.HealthCheckCommand:
		m.Health, m.HealthTimeout = c.Health.Test, c.Health.Timeout
	default:
		return fmt.Errorf("this check does not know the instruction; teach it")
	}
	return nil
}

// words is the command, with the shell before it where the Dockerfile leaves it to the shell.
func words(line instructions.ShellDependantCmdLine) []string {
	if line.PrependShell {
		return append([]string{"/bin/sh", "-c"}, line.CmdLine...)
	}
	return line.CmdLine
}

// at is where a path of the image is on this machine.
func (m *Image) at(path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(m.Workdir, path)
	}
	return filepath.Join(m.Root, path)
}

// copy carries out COPY. A folder gives what is in it, a file itself.
func (m *Image) copy(c *instructions.CopyCommand, repo string, stages map[string]*Image) error {
	if c.Chmod != "" || c.Link || c.Parents || len(c.ExcludePatterns) > 0 || len(c.SourceContents) > 0 {
		return fmt.Errorf("this check knows COPY with --from and --chown only; teach it")
	}
	for _, source := range c.SourcePaths {
		if c.From == "" {
			if source != "." {
				return fmt.Errorf("this check knows COPY . only, without --from; teach it")
			}
			if err := copyContext(repo, m.at(c.DestPath)); err != nil {
				return err
			}
			continue
		}
		from := stages[c.From]
		if from == nil {
			return fmt.Errorf("there is no stage %s above", c.From)
		}
		path := from.at(source)
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("stage %s has no %s", c.From, source)
		}
		owned := func(name string) {
			if c.Chown != "" {
				m.Owners[filepath.Join(c.DestPath, name)] = c.Chown
			}
		}
		if info.IsDir() {
			err = copyTree(path, m.at(c.DestPath), owned)
		} else {
			name := ""
			if strings.HasSuffix(c.DestPath, "/") {
				name = filepath.Base(source)
			}
			owned(name)
			err = copyFile(path, filepath.Join(m.at(c.DestPath), name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// imageFolder is the folder that RUN instructions write to.
var imageFolder = regexp.MustCompile(`(^|[\s"'=])/image\b`)

// run carries out RUN with this machine's Go and its caches.
func (m *Image) run(ctx context.Context, c *instructions.RunCommand) error {
	if !c.PrependShell {
		return fmt.Errorf("this check knows RUN with a shell only; teach it")
	}
	text := imageFolder.ReplaceAllString(strings.Join(c.CmdLine, " "), "${1}"+m.at("/image"))
	cmd := exec.CommandContext(ctx, "sh", "-ec", text)
	cmd.Dir = m.at("")
	cmd.Env = os.Environ()
	for _, more := range []map[string]string{m.env, m.buildEnvironment} {
		for name, value := range more {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
