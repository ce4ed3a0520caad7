package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// process is a worker in a process of its own: the real binary.
type process struct {
	r      *relay
	cmd    *exec.Cmd
	stdout bytes.Buffer
	log    *lines
	done   chan struct{}
	code   int // once done is closed; -1: killed
}

// launch starts the real binary with `run`. Its log goes to the relay's too.
func (r *relay) launch() *process {
	r.t.Helper()
	args := []string{"run", "--config", r.configFile()}
	for _, set := range r.set {
		args = append(args, "--set", set)
	}
	p := &process{r: r, cmd: exec.Command(built.path(r.t), args...), log: newLines(), done: make(chan struct{})}
	p.cmd.Env = environment()
	p.cmd.Stdout = &p.stdout
	p.cmd.Stderr = io.MultiWriter(p.log, r.log)
	r.must(p.cmd.Start())
	r.runs++
	go func() {
		defer close(p.done)
		err := p.cmd.Wait()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			p.code = exit.ExitCode()
		} else if err != nil {
			p.code = -2
		}
	}()
	r.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	return p
}

// environment is the suite's own without the configuration of a worker.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TOPRELAY_") })
}

// wait waits until the process ends, and returns its exit code.
func (p *process) wait() int {
	p.r.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.r.t.Fatal("the process did not end")
	}
	if p.stdout.Len() > 0 {
		p.r.t.Errorf("run writes to stdout, which is for data: %s", p.stdout.String())
	}
	p.checkLog()
	return p.code
}

// checkLog: all is JSON lines with a level and a message, the error with which it may end too.
func (p *process) checkLog() {
	p.r.t.Helper()
	all := strings.Split(strings.TrimSuffix(p.log.String(), "\n"), "\n")
	for i, line := range all {
		var e entry
		err := json.Unmarshal([]byte(line), &e)
		cutOff := i == len(all)-1 && p.code == -1
		if line != "" && !cutOff && (err != nil || e.text("msg") == "" || e.text("level") == "") {
			p.r.t.Errorf("a log line that is no JSON with level and msg: %s", line)
		}
	}
}

// last is the last line of the log: the error with which the process ended, where it did.
func (p *process) last() string {
	text := strings.TrimSuffix(p.log.String(), "\n")
	return text[strings.LastIndexByte(text, '\n')+1:]
}

func (p *process) signal(s syscall.Signal) {
	p.r.t.Helper()
	p.r.must(p.cmd.Process.Signal(s))
}

// awaitLog waits until this process has logged a text.
func (p *process) awaitLog(text string) {
	p.r.t.Helper()
	ok := p.log.await(p.r.ctx(), func(log string) bool { return strings.Contains(log, text) })
	if !ok {
		p.r.t.Fatalf("the process never logged %q", text)
	}
}

// awaitReadyz polls until /readyz of this process says a text.
func (p *process) awaitReadyz(text string) {
	p.r.t.Helper()
	address := entries(p.log.String(), "ops listener")[0].text("address")
	p.r.until("/readyz says "+text, func() error {
		if _, body := p.r.getURL("http://" + address + "/readyz"); !strings.Contains(body, text) {
			return fmt.Errorf("it says %s", body)
		}
		return nil
	})
}

// settled are the ids of the events that this process says it settled.
func (p *process) settled() map[string]bool {
	ids := map[string]bool{}
	for _, e := range entries(p.log.String(), "settled") {
		ids[e.text("event_id")] = true
	}
	return ids
}

// awaitSettled waits until the log of all processes says that n events were settled.
func (r *relay) awaitSettled(n int) {
	r.t.Helper()
	ok := r.log.await(r.ctx(), func(log string) bool { return strings.Count(log, `"msg":"settled"`) >= n })
	if !ok {
		r.t.Fatalf("only %d of %d events were settled", strings.Count(r.log.String(), `"msg":"settled"`), n)
	}
}
