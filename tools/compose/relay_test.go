package compose

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds the whole run: far above what is needed, so that a slow machine is no failure.
const patience = 2 * time.Minute

// process is a running command of a service.
type process struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	first chan string // the first line on stdout

	mu      sync.Mutex
	lines   []string // on stderr
	grown   chan struct{}
	drained chan struct{} // both streams have ended
	once    sync.Once
}

// start starts a command, which the end of the test stops.
func start(t *testing.T, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, name: name, cmd: cmd, first: make(chan string, 1), grown: make(chan struct{}, 1), drained: make(chan struct{})}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewReader(stdout)
		line, _ := lines.ReadString('\n')
		p.first <- line
		_, _ = io.Copy(io.Discard, lines)
	})
	reading.Go(func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			p.mu.Lock()
			p.lines = append(p.lines, lines.Text())
			p.mu.Unlock()
			select {
			case p.grown <- struct{}{}:
			default:
			}
		}
	})
	go func() {
		reading.Wait()
		close(p.drained)
	}()
	t.Cleanup(p.stop)
	return p
}

// stop asks the process to end as Docker does, and expects that it ends well.
func (p *process) stop() {
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		<-p.drained
		if err := p.cmd.Wait(); err != nil {
			p.t.Errorf("%s: %v\n%s", p.name, err, p.text())
		}
	})
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// announced reads the JSON object that the command prints first.
func (p *process) announced(to any) {
	p.t.Helper()
	line := <-p.first
	if err := json.Unmarshal([]byte(line), to); err != nil {
		p.t.Fatalf("%s announced %q: %v\n%s", p.name, line, err, p.text())
	}
}

// await waits until so many lines of the log hold the text, and returns the last one.
func (p *process) await(ctx context.Context, text string, n int) string {
	p.t.Helper()
	for {
		p.mu.Lock()
		var found []string
		for _, line := range p.lines {
			if strings.Contains(line, text) {
				found = append(found, line)
			}
		}
		p.mu.Unlock()
		if len(found) >= n {
			return found[n-1]
		}
		select {
		case <-p.grown:
		case <-p.drained:
			p.t.Fatalf("%s ended:\n%s", p.name, p.text())
		case <-ctx.Done():
			p.t.Fatalf("%s has not said %s:\n%s", p.name, text, p.text())
		}
	}
}

// TestRelay runs the composition without containers: each service's own command in its own file system, but for the
// addresses. The embedded broker stands for Kafka. What is published as the file says reaches both gateways.
func TestRelay(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := load(t, repo)
	if err != nil {
		t.Fatal(err)
	}
	begin := func(service string, args ...string) (*Container, *exec.Cmd) {
		t.Helper()
		container, err := c.container(service)
		if err != nil {
			t.Fatal(err)
		}
		cmd, err := container.command(context.WithoutCancel(ctx), args...)
		if err != nil {
			t.Fatal(err)
		}
		return container, cmd
	}

	// The broker makes topics of other names, so that those of the composition are made by the service topics.
	_, cmd := begin("topics", "broker", "--listen", "127.0.0.1:0", "-o", "json", "--set", "kafka.topics=other",
		"--set", "kafka.dead_letter_topic=other.letters", "--set", "kafka.actions_topic=other.actions", "--set", "kafka.results_topic=other.results")
	var broker struct{ Brokers []string }
	start(t, "broker", cmd).announced(&broker)
	kafka := []string{"--set", "kafka.brokers=" + broker.Brokers[0]}

	topics, err := c.container("topics")
	if err != nil {
		t.Fatal(err)
	}
	stdout, code, stderr := topics.run(ctx, append(slices.Clone([]string(topics.Service.Command)), kafka...)...)
	if code != 0 || strings.Count(stdout, "created") != 5 {
		t.Fatalf("topics: exit code %d\n%s%s", code, stdout, stderr)
	}
	if stdout, code, stderr = topics.run(ctx, append([]string{"check", "--only", "kafka,topics"}, kafka...)...); code != 0 {
		t.Fatalf("check: exit code %d\n%s%s", code, stdout, stderr)
	}

	simulator, cmd := begin("simulator")
	cmd.Args = append(append(cmd.Args, simulator.Service.Command...), "--listen", "127.0.0.1:0", "-o", "json")
	var gateways struct{ Top, Qimen, Calls string }
	start(t, "simulator", cmd).announced(&gateways)
	address, err := url.Parse(gateways.Top)
	if err != nil {
		t.Fatal(err)
	}

	// The paths of the gateways stay as the configuration has them; only host and port are replaced.
	settings, err := c.settings(ctx, "worker")
	if err != nil {
		t.Fatal(err)
	}
	there := func(gateway string) string {
		u, err := url.Parse(gateway)
		if err != nil {
			t.Fatal(err)
		}
		u.Host = address.Host
		return u.String()
	}
	healthy := func(service string, want int, more ...string) {
		t.Helper()
		container, err := c.container(service)
		if err != nil {
			t.Fatal(err)
		}
		var args []string
		for _, word := range container.Service.HealthCheck.Test[2:] {
			if key, u, ok := strings.Cut(word, "=http"); ok {
				word = key + "=" + there("http"+u)
			}
			args = append(args, word)
		}
		if stdout, code, stderr := container.run(ctx, append(args, more...)...); code != want {
			t.Errorf("health of %s: exit code %d, want %d\n%s%s", service, code, want, stdout, stderr)
		}
	}
	healthy("simulator", 0)

	worker, cmd := begin("worker")
	cmd.Args = append(cmd.Args, worker.Service.Command...)
	cmd.Args = append(cmd.Args, kafka...)
	for _, set := range []string{
		"top.gateway=" + there(settings.Top.Gateway), "qimen.outbound.gateway=" + there(settings.Qimen.Outbound.Gateway),
		"ops.listen=127.0.0.1:0", "dedup.path=" + worker.inside(settings.Dedup.Path),
	} {
		cmd.Args = append(cmd.Args, "--set", set)
	}
	running := start(t, "worker", cmd)
	var ops struct{ Address string }
	if err := json.Unmarshal([]byte(running.await(ctx, `"ops listener"`, 1)), &ops); err != nil {
		t.Fatal(err)
	}
	running.await(ctx, `"msg":"ready"`, 1)
	healthy("worker", 0, "--url", "http://"+ops.Address)

	// As the head of docker-compose.yml says: one event for TOP, one for Qimen.
	container, cmd := begin("topics", append([]string{"publish", "-"}, kafka...)...)
	cmd.Stdin = strings.NewReader(example(t, "top.logisticsorder.status.v1", "good-signed.json") + example(t, "top.workorder.issue.v1", ""))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("publish in %s: %v\n%s", container.Service.Name, err, out)
	}
	running.await(ctx, `"outcome":"delivered"`, 2)
	if got := calls(ctx, t, gateways.Calls); got["tmall.servicecenter.workcard.logisticsorder.update"] != 1 || got["qimen.taobao.logistics.work.order.issue"] != 1 || len(got) != 2 {
		t.Errorf("the platform accepted %v", got)
	}

	running.stop()
	healthy("worker", 6, "--url", "http://"+ops.Address)
	if _, err := os.Stat(worker.inside(settings.Dedup.Path)); err != nil {
		t.Errorf("the ledger is not where the volume is: %v", err)
	}
}

// example is an event of schemas/examples on one line; without a name the first good one.
func example(t *testing.T, kind, name string) string {
	t.Helper()
	if name == "" {
		good, err := filepath.Glob(filepath.Join(repo, "schemas/examples", kind, "good-*.json"))
		if err != nil || len(good) == 0 {
			t.Fatalf("there is no good example of %s", kind)
		}
		name = filepath.Base(good[0])
	}
	text, err := os.ReadFile(filepath.Join(repo, "schemas/examples", kind, name))
	if err != nil {
		t.Fatal(err)
	}
	var event map[string]json.RawMessage
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	line, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return string(line) + "\n"
}

// calls counts the calls that the simulator accepted, by method.
func calls(ctx context.Context, t *testing.T, address string) map[string]int {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var all []struct {
		Method   string
		Accepted bool
	}
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, call := range all {
		if !call.Accepted {
			t.Errorf("the platform refused a call of %s", call.Method)
		}
		got[call.Method]++
	}
	return got
}
