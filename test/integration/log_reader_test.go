package integration

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestLogReaderGoesAway: whoever reads the log ends, and the worker relays on and stops as ever.
func TestLogReaderGoesAway(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{})
	reader, writer, err := os.Pipe()
	r.must(err)
	cmd := exec.CommandContext(r.ctx(), built.path(t), "run", "--config", r.configFile())
	cmd.Env, cmd.Stderr = environment(), writer
	r.must(cmd.Start())
	r.must(writer.Close())
	lines := bufio.NewScanner(reader)
	for lines.Scan() && !strings.Contains(lines.Text(), `"msg":"ready"`) {
	}
	r.must(reader.Close())
	e := logistics.event(1)
	r.publish(e)
	r.awaitExchanges(1, byMark(e.mark))
	r.settleAll()
	r.must(cmd.Process.Signal(syscall.SIGTERM))
	if err := cmd.Wait(); err != nil {
		t.Errorf("the worker ended with %v", err)
	}
}
