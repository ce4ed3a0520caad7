package compose

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// Problems says everything in docker-compose.yml that would not work as it stands there, or is not as safe as it should be.
func (c *Composition) Problems(ctx context.Context) []string {
	var problems []string
	for _, name := range sortedNames(c.Project.Services) {
		s := c.Project.Services[name]
		r := &rules{composition: c, service: s}
		if s.Build == nil {
			r.foreign()
		} else {
			r.ours(ctx)
		}
		r.ports(ctx)
		r.order()
		problems = append(problems, r.problems...)
	}
	return append(problems, c.sameTopics(ctx)...)
}

// rules is the look at one service.
type rules struct {
	composition *Composition
	service     types.ServiceConfig
	container   *Container
	settings    *Settings // nil where the service has no configuration
	problems    []string
}

func (r *rules) problem(format string, args ...any) {
	r.problems = append(r.problems, "service "+r.service.Name+": "+fmt.Sprintf(format, args...))
}

// tagged is an image with a version of its own.
var tagged = regexp.MustCompile(`:[0-9][^:/]*$|@sha256:`)

// foreign looks at a service whose image is somebody else's.
func (r *rules) foreign() {
	s := r.service
	if !tagged.MatchString(s.Image) {
		r.problem("image %q names no version", s.Image)
	}
	r.hardened()
	if strings.HasPrefix(s.Image, "apache/kafka:") {
		r.kafka()
	}
}

// ours looks at a service of the image that the Dockerfile makes.
func (r *rules) ours(ctx context.Context) {
	s, m := r.service, r.composition.image(r.service)
	if m == nil {
		r.problem("build.target %q is no stage of the Dockerfile", s.Build.Target)
		return
	}
	if s.Build.Context != r.composition.Project.WorkingDir || s.Build.Dockerfile != "Dockerfile" {
		r.problem("is built from %s in %s, not from the Dockerfile beside docker-compose.yml", s.Build.Dockerfile, s.Build.Context)
	}
	for name := range s.Build.Args {
		if !slices.ContainsFunc(r.composition.Images, func(m *Image) bool { return slices.Contains(m.Args, name) }) {
			r.problem("build argument %s is none of the Dockerfile", name)
		}
	}
	if s.PullPolicy != types.PullPolicyBuild {
		r.problem("pull_policy is %q: an image of an older checkout would be used again", s.PullPolicy)
	}
	r.hardened()
	if s.User != m.User || strings.HasPrefix(s.User, "0") || s.User == "" {
		r.problem("user is %q, that of the image %q", s.User, m.User)
	}
	if !s.ReadOnly {
		r.problem("its root file system can be written")
	}
	if len(s.Secrets)+len(s.Configs) > 0 {
		r.problem("has secrets or configs: Docker Compose refuses those with content on a read-only root file system, and gives files no mode")
	}
	container, err := r.composition.container(s.Name)
	if err != nil {
		r.problems = append(r.problems, err.Error())
		return
	}
	r.container = container
	r.commandLine(ctx, "command", r.command())
	r.health(ctx)
	r.environment(ctx)
	r.mounts()
	r.paths()
	r.addresses(ctx)
}

func (r *rules) hardened() {
	s := r.service
	if !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) > 0 {
		r.problem("keeps capabilities")
	}
	if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
		r.problem("can gain privileges")
	}
	if s.Privileged || s.Pid != "" || s.Ipc != "" || s.NetworkMode == "host" {
		r.problem("shares more than it needs with the host")
	}
}

// command is what the container runs behind the entrypoint.
func (r *rules) command() []string {
	if len(r.service.Command) > 0 {
		return r.service.Command
	}
	return r.composition.image(r.service).Cmd
}

// subcommand is the words before the first flag: topics create.
func subcommand(args []string) []string {
	for i, a := range args {
		if strings.HasPrefix(a, "-") {
			return args[:i]
		}
	}
	return args
}

// commandLine says whether the binary takes the words: with --help it reads the flags and does nothing. The help must be
// that of the command, because it has one for commands that do not exist too.
func (r *rules) commandLine(ctx context.Context, what string, args []string) {
	if len(args) == 0 {
		r.problem("%s is empty", what)
		return
	}
	stdout, code, stderr := r.container.run(ctx, append(slices.Clone(args), "--help")...)
	if code != 0 {
		r.problem("%s %q: exit code %d: %s", what, args, code, strings.TrimSpace(stderr))
		return
	}
	if usage := "\n  worker " + strings.Join(subcommand(args), " ") + " "; !strings.Contains(stdout, usage) {
		r.problem("%s: there is no command %q", what, strings.Join(subcommand(args), " "))
	}
}

// plainNames are the variables that are no keys within a section.
var plainNames = []string{"TOPRELAY_CONFIG", "TOPRELAY_SCHEMAS_DIR"}

// environment has the binary read the configuration that the service would have.
func (r *rules) environment(ctx context.Context) {
	for _, name := range sortedNames(r.service.Environment) {
		// Of names with two underscores the binary itself says which it does not know. Others it leaves alone, because
		// Kubernetes makes such ones of the names of services.
		key, ours := strings.CutPrefix(name, "TOPRELAY_")
		if !ours || !strings.Contains(key, "__") && !slices.Contains(plainNames, name) {
			r.problem("environment: the binary reads no %s", name)
		}
	}
	if len(r.service.Environment) == 0 {
		return
	}
	settings, err := r.composition.settings(ctx, r.service.Name)
	if err != nil {
		r.problem("configuration: %v", err)
		return
	}
	r.settings = settings
}

// mounts looks at what is mounted: a volume must have a name, and a folder that the service's user owns.
func (r *rules) mounts() {
	for _, v := range r.service.Volumes {
		switch {
		case v.Type == types.VolumeTypeBind && !v.ReadOnly:
			r.problem("can write %s of this machine", v.Source)
		case v.Type == types.VolumeTypeBind && (v.Bind == nil || bool(v.Bind.CreateHostPath)):
			r.problem("mount at %s: where the file is missing a folder would be made in its place; set create_host_path: false", v.Target)
		case v.Type == types.VolumeTypeVolume && v.Source == "":
			r.problem("the volume at %s has no name: it would be lost with the container", v.Target)
		case v.Type == types.VolumeTypeVolume && r.container.Image.Owners[v.Target] != r.service.User:
			r.problem("the volume at %s takes its owner from the image, where it is %q, not %q", v.Target, r.container.Image.Owners[v.Target], r.service.User)
		}
	}
	for _, volume := range r.container.Image.Volumes {
		if !r.mounted(volume) {
			r.problem("nothing is mounted at %s: Docker would leave an anonymous volume there each time", volume)
		}
	}
}

// mounted says whether a volume or a tmpfs is at the path.
func (r *rules) mounted(path string) bool {
	return slices.ContainsFunc(r.service.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == path }) ||
		slices.ContainsFunc(r.service.Tmpfs, func(t string) bool { return strings.Split(t, ":")[0] == path })
}

// paths looks for every path of the configuration in the container.
func (r *rules) paths() {
	if r.settings == nil {
		return
	}
	for _, key := range sortedNames(r.settings.paths) {
		path := r.settings.paths[key]
		if key == "dedup.path" {
			r.ledger(path)
			continue
		}
		if _, err := os.Stat(filepath.Join(r.container.Root, path)); err != nil {
			r.problem("%s: the container has no %s", key, path)
			continue
		}
		owner, copied := r.container.Image.Owners[path]
		if strings.HasSuffix(key, "_file") && (!copied || owner != r.service.User) {
			r.problem("%s: %s belongs to %q in the image, and the user %s must read it", key, path, owner, r.service.User)
		}
	}
}

// ledger must be on a volume that outlives the container, where the worker runs.
func (r *rules) ledger(path string) {
	if !r.composition.does(r.service, "run") {
		return
	}
	for _, v := range r.service.Volumes {
		if v.Type == types.VolumeTypeVolume && !v.ReadOnly && strings.HasPrefix(path, v.Target+"/") {
			return
		}
	}
	r.problem("dedup.path %s is on no volume", path)
}

// sameTopics compares what is created with what is consumed and written.
func (c *Composition) sameTopics(ctx context.Context) []string {
	var of [2]string
	for i, command := range []string{"topics", "run"} {
		for _, name := range sortedNames(c.Project.Services) {
			if !c.does(c.Project.Services[name], command) {
				continue
			}
			settings, err := c.settings(ctx, name)
			if err != nil {
				return nil // reported with the service
			}
			of[i] = fmt.Sprintf("%s %s %s %s %s", settings.Kafka.Topics, settings.Kafka.DeadLetterTopic, settings.Kafka.ActionsTopic, settings.Kafka.ResultsTopic, settings.Kafka.Brokers)
		}
	}
	switch {
	case of[0] == "":
		return []string{"no service creates the topics"}
	case of[1] == "":
		return []string{"no service runs the worker"}
	case of[0] != of[1]:
		return []string{fmt.Sprintf("the topics that are created are not those that the worker uses: %s, %s", of[0], of[1])}
	}
	return nil
}
