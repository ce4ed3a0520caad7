package dedup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/toprelay/worker/internal/consumer"
)

// roleVariable makes the test binary play the other process of a test.
const roleVariable = "DEDUP_TEST_ROLE"

// playRole is the main function of that process. It ends when its standard input does.
func playRole(role string) int {
	name, path, _ := strings.Cut(role, ":")
	var err error
	switch name {
	case "hold":
		err = playHold(path)
	case "write":
		err = playWrite(path)
	case "limit":
		err = playLimit(path)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// playHold keeps the store open.
func playHold(path string) error {
	s, err := Open(context.Background(), Options{Path: path, LockWait: -1})
	if err != nil {
		return err
	}
	fmt.Println("open")
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, s.Close())
}

// playWrite delivers and claims without end, and says after each acknowledgement which it was.
func playWrite(path string) error {
	s, err := Open(context.Background(), Options{Path: path, LockWait: -1, seams: seams{checkpointPages: 128}})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(words ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(words...)
	}
	ctx := context.Background()
	return callers(16, 1_000_000, func(i int) error {
		id := fmt.Sprint(i)
		r := repeatable(id)
		r.Repeatable = i%2 == 0
		c, err := s.Claim(ctx, r)
		if err != nil {
			return err
		}
		if !r.Repeatable {
			say("claimed", id)
		}
		switch i % 5 {
		case 0, 1:
			err = s.Delivered(ctx, r.Key, c.Token, r.Content, nil)
			say("delivered", id)
		case 2:
			err = s.Failed(ctx, r.Key, c.Token, someHistory(i+1))
			say("failed", id)
		case 3:
			err = s.Unknown(ctx, r.Key, c.Token, r.Content, someHistory(i+1))
			say("unknown", id)
		}
		return err
	})
}

// playLimit lets the kernel refuse to let files grow beyond 512 KiB, writes until the store says that it is broken, and
// says which writes were acknowledged.
func playLimit(path string) error {
	signal.Ignore(syscall.SIGXFSZ) // so that write fails with EFBIG
	s, err := Open(context.Background(), Options{Path: path, LockWait: -1})
	if err != nil {
		return err
	}
	limit := syscall.Rlimit{Cur: 512 << 10, Max: 512 << 10}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	ctx := context.Background()
	for i := range 10_000 {
		r := repeatable(fmt.Sprint(i))
		c, err := s.Claim(ctx, r)
		if err == nil {
			err = s.Delivered(ctx, r.Key, c.Token, r.Content, nil)
		}
		if errors.Is(err, ErrBroken) {
			fmt.Println("broken", i)
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Println("delivered", i)
	}
	return errors.New("the limit was never met")
}

// process is another process that plays a role.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
	stdin io.Closer
}

func start(t *testing.T, role, path string) *process {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.Command(exe, "-test.run=^$")
	cmd.Env = append(os.Environ(), roleVariable+"="+role+":"+path)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	p := &process{t: t, cmd: cmd, lines: bufio.NewScanner(stdout), stdin: stdin}
	t.Cleanup(func() { p.kill() })
	return p
}

// line is the next line that the process says, "" when it says no more.
func (p *process) line() string {
	if p.lines.Scan() {
		return p.lines.Text()
	}
	return ""
}

// kill ends the process as kill -9 does, and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func TestAnotherProcessHasTheLock(t *testing.T) {
	path := ledgerPath(t)
	p := start(t, "hold", path)
	if line := p.line(); line != "open" {
		t.Fatalf("the other process says %q", line)
	}
	_, err := Open(t.Context(), Options{Path: path, LockWait: -1})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), strconv.Itoa(p.cmd.Process.Pid)) {
		t.Errorf("Open: %v, want ErrLocked with path and process", err)
	}
	p.kill()
	openAt(t, path, Options{}) // nothing is left of a lock
}

// TestKillLosesNothingAcknowledged kills a process that writes, again and again on one file, and looks for everything that
// it had been told is durable.
func TestKillLosesNothingAcknowledged(t *testing.T) {
	for round, after := range []int{1, 17, 150, 700, 1500} {
		path := ledgerPath(t)
		p := start(t, "write", path)
		acknowledged := make(map[string]string) // the last word on each id
		for n := 0; n < after; n++ {
			line := p.line()
			what, id, ok := strings.Cut(line, " ")
			if !ok {
				t.Fatalf("round %d: the writer stopped at %q", round, line)
			}
			acknowledged[id] = what
		}
		p.kill()
		s := openAt(t, path, Options{})
		for id, what := range acknowledged {
			i, err := strconv.Atoi(id)
			must(t, err)
			r := repeatable(id)
			r.Repeatable = i%2 == 0
			c, err := s.Claim(t.Context(), r)
			must(t, err)
			want := map[string]consumer.Answer{
				"delivered": consumer.AnswerDelivered, "failed": consumer.AnswerMine, "unknown": consumer.AnswerUnknown,
			}[what]
			if what == "unknown" && r.Repeatable {
				want = consumer.AnswerMine
			}
			switch {
			case what == "claimed" && c.Answer != consumer.AnswerMine:
				// The next step may have become durable without being acknowledged; but the claim is never forgotten.
			case c.Answer == want && (what == "delivered" || c.History == someHistory(i+1)):
			case what == "claimed" && i%5 == 2 && c.History == someHistory(i+1): // released by a failure
			default:
				t.Errorf("round %d: %s of %s was acknowledged, the answer is %s with %+v", round, what, id, answerName(c.Answer), c.History)
			}
		}
		must(t, s.Close())
	}
}

// TestRealWriteErrorBreaks meets an error of the kernel and not an injected one.
func TestRealWriteErrorBreaks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	p := start(t, "limit", path)
	var delivered []string
	for {
		what, i, _ := strings.Cut(p.line(), " ")
		if what == "delivered" {
			delivered = append(delivered, i)
			continue
		}
		if what != "broken" {
			t.Fatalf("the other process says %q", what)
		}
		break
	}
	p.kill()
	if len(delivered) == 0 {
		t.Fatal("nothing was delivered before the limit")
	}
	s := openAt(t, path, Options{})
	for _, id := range delivered {
		mustClaim(t, s, repeatable(id), consumer.AnswerDelivered)
	}
}
