package integration

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/toprelay/worker/internal/broker/embedded"
)

// patience bounds every wait of a test: far above what is needed, so that a slow machine is no failure.
const patience = 90 * time.Second

// parallel is how many tests run at once: most of their time they wait for a pause or a broker, not for a core.
const parallel = "12"

// kafkaAddr is the broker that the suite runs on.
var kafkaAddr string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(suite(m))
}

func suite(m *testing.M) int {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", parallel); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	stop := func() {}
	if kafkaAddr = os.Getenv("TOPRELAY_TEST_KAFKA"); kafkaAddr == "" {
		b, err := embedded.Start(embedded.Options{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		kafkaAddr, stop = b.Addrs()[0], b.Close
	}
	code := m.Run()
	stop()
	built.remove()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// program is the real binary, built by the first test that needs it. With the race detector on it is built with it too,
// so that it shares the compiled packages with the tests, and its races are failures.
type program struct {
	once sync.Once
	dir  string
	err  error
}

var built program

func (p *program) path(t *testing.T) string {
	t.Helper()
	p.once.Do(func() {
		if p.dir, p.err = os.MkdirTemp("", "toprelay-integration-"); p.err != nil {
			return
		}
		args := []string{"build", "-o", p.dir + string(filepath.Separator)}
		if raceDetector {
			args = append(args, "-race")
		}
		out, err := exec.Command("go", append(args, "../../cmd/worker")...).CombinedOutput()
		if err != nil {
			p.err = errors.Join(fmt.Errorf("go build: %s", out), err)
		}
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
	return filepath.Join(p.dir, "worker")
}

func (p *program) remove() {
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
	}
}
