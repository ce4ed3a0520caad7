package compose

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// Composition is docker-compose.yml with the images of the Dockerfile beside it.
type Composition struct {
	Project *types.Project
	Images  []*Image // in the order of the Dockerfile
	scratch string   // folder for the file systems of services

	containers map[string]*Container
	configured map[string]configured
}

// configured is what came of reading the configuration of a service.
type configured struct {
	settings *Settings
	err      error
}

// Load reads the docker-compose.yml in the folder dir as Docker Compose does, its rules for consistency included. The file
// systems of its services are laid out below scratch.
func Load(ctx context.Context, dir string, images []*Image, scratch string) (*Composition, error) {
	o, err := cli.NewProjectOptions([]string{filepath.Join(dir, "docker-compose.yml")},
		cli.WithWorkingDirectory(dir), cli.WithResolvedPaths(true), cli.WithNormalization(true), cli.WithConsistency(true))
	if err != nil {
		return nil, err
	}
	project, err := o.LoadProject(ctx)
	if err != nil {
		return nil, err
	}
	return &Composition{
		Project: project, Images: images, scratch: scratch,
		containers: map[string]*Container{}, configured: map[string]configured{},
	}, nil
}

// image is the image of a service of ours, nil where it is not built here.
func (c *Composition) image(s types.ServiceConfig) *Image {
	if s.Build == nil || len(c.Images) == 0 {
		return nil
	}
	if s.Build.Target == "" {
		return c.Images[len(c.Images)-1]
	}
	for _, m := range c.Images {
		if m.Name == s.Build.Target {
			return m
		}
	}
	return nil
}

// service is a service by name.
func (c *Composition) service(name string) (types.ServiceConfig, error) {
	s, ok := c.Project.Services[name]
	if !ok {
		return s, fmt.Errorf("docker-compose.yml has no service %s", name)
	}
	return s, nil
}

// container lays out the file system of a service of ours in a folder of its own, once.
func (c *Composition) container(name string) (*Container, error) {
	if made, ok := c.containers[name]; ok {
		return made, nil
	}
	s, err := c.service(name)
	if err != nil {
		return nil, err
	}
	m := c.image(s)
	if m == nil {
		return nil, fmt.Errorf("service %s is not built from a stage of the Dockerfile", name)
	}
	made, err := newContainer(s, m, filepath.Join(c.scratch, name))
	if err != nil {
		return nil, err
	}
	c.containers[name] = made
	return made, nil
}

// settings is the configuration that a service of ours would have, read once.
func (c *Composition) settings(ctx context.Context, name string) (*Settings, error) {
	if known, ok := c.configured[name]; ok {
		return known.settings, known.err
	}
	container, err := c.container(name)
	if err != nil {
		return nil, err
	}
	s, err := container.settings(ctx)
	c.configured[name] = configured{s, err}
	return s, err
}

// does says whether a service of ours runs the command: run, simulator, topics.
func (c *Composition) does(s types.ServiceConfig, command string) bool {
	m := c.image(s)
	if m == nil {
		return false
	}
	args := m.Cmd
	if len(s.Command) > 0 {
		args = s.Command
	}
	return len(args) > 0 && args[0] == command
}
