package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// child is a process of the bench: this binary in another role.
type child struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

// start runs this binary in a role.
func start(ctx context.Context, role string, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"-role", role}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &child{cmd: cmd, out: bufio.NewReader(stdout)}, nil
}

// line reads what the child says first.
func (c *child) line() ([]string, error) {
	line, err := c.out.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(c.cmd.Args, " "), err)
	}
	return strings.Fields(line), nil
}

// stop asks the child to end, and returns what it printed.
func (c *child) stop() ([]byte, error) {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // one that has ended already is waited for all the same
	return c.wait()
}

func (c *child) wait() ([]byte, error) {
	printed, err := io.ReadAll(c.out)
	if err != nil {
		return nil, err
	}
	return printed, c.cmd.Wait()
}

// cpuSelf is the CPU time of this process.
func cpuSelf() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// usage reads CPU time and the peak of resident memory of another process (Linux).
func (c *child) usage() (cpu time.Duration, peak int64, err error) {
	dir := filepath.Join("/proc", strconv.Itoa(c.cmd.Process.Pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return 0, 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, 0, err
		}
		ticks += n
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.Fields(text)[0], 10, 64)
			if err != nil {
				return 0, 0, err
			}
			peak = n << 10
		}
	}
	return time.Duration(ticks) * (time.Second / 100), peak, nil // 100 ticks a second on every Linux of today
}
