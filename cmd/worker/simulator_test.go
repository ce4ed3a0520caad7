package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/toprelay/worker/schemas"
)

// simulatorRun is a running worker simulator.
type simulatorRun struct {
	stop   context.CancelFunc
	stderr bytes.Buffer // to be read after code
	code   chan int
}

// startSimulator runs the command on a free port and returns what it announced.
func startSimulator(t *testing.T, args ...string) (*simulatorRun, map[string]string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	run := &simulatorRun{stop: cancel, code: make(chan int, 1)}
	out, in := io.Pipe()
	go func() {
		run.code <- execute(ctx, append([]string{"simulator", "--listen", "127.0.0.1:0", "-o", "json"}, args...), strings.NewReader(""), in, &run.stderr)
		in.Close()
	}()
	var announced map[string]string
	if err := json.NewDecoder(out).Decode(&announced); err != nil {
		t.Fatalf("%v; exit code %d: %s", err, <-run.code, &run.stderr)
	}
	return run, announced
}

// end stops the simulator and checks that it ended well.
func (r *simulatorRun) end(t *testing.T) {
	t.Helper()
	r.stop()
	if code := <-r.code; code != exitOK {
		t.Errorf("exit code %d: %s", code, &r.stderr)
	}
	http.DefaultClient.CloseIdleConnections()
}

func simulatorGet(t *testing.T, address string) (int, string) {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestSimulatorServesAndStops(t *testing.T) {
	run, announced := startSimulator(t)
	if announced["app_key"] != developmentAppKey {
		t.Errorf("%v", announced)
	}
	for name, end := range map[string]string{
		"top": "/router/rest", "qimen": "/router/qm", "qimen_service": "/router/qimen/service",
	} {
		if !strings.HasSuffix(announced[name], end) {
			t.Errorf("%s: %s", name, announced[name])
		}
		if code, body := simulatorGet(t, announced[name]+"?format=json"); code != http.StatusOK || !strings.Contains(body, `"code":21`) {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	if code, body := simulatorGet(t, announced["faults"]); code != http.StatusOK || strings.TrimSpace(body) != "[]" {
		t.Errorf("faults: %d %s", code, body)
	}
	if code, body := simulatorGet(t, announced["calls"]); code != http.StatusOK || strings.Count(body, `"seq"`) != 3 {
		t.Errorf("calls: %d %s", code, body)
	}
	run.end(t)
	if words := run.stderr.String(); !strings.Contains(words, "ready") || !strings.Contains(words, "stopped") {
		t.Errorf("stderr %q", words)
	}
}

// A reply that is an hour late does not hold up the stop.
func TestSimulatorStopsDuringADelay(t *testing.T) {
	run, announced := startSimulator(t, "--latency", "1h")
	ended := make(chan error, 1)
	go func() {
		response, err := http.Get(announced["top"])
		if err == nil {
			response.Body.Close()
		}
		ended <- err
	}()
	for body := ""; !strings.Contains(body, `"seq"`); {
		_, body = simulatorGet(t, announced["calls"])
	}
	run.end(t)
	if <-ended == nil {
		t.Error("the late call got a reply")
	}
}

func TestSimulatorAnnouncesTheDevelopmentSecretOnly(t *testing.T) {
	for _, test := range []struct {
		flags simulatorFlags
		shown bool
	}{
		{simulatorFlags{appKey: "1", secret: developmentSecret, sessions: []string{developmentSession}}, true},
		{simulatorFlags{appKey: "1", secret: "own-secret", sessions: []string{"own-session"}}, false},
		{simulatorFlags{appKey: "1", secret: developmentSecret, secretFile: "x", sessions: []string{"own-session"}}, false},
	} {
		var out bytes.Buffer
		if err := test.flags.announce(&out, "table", "127.0.0.1:1"); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		if !strings.Contains(text, "http://127.0.0.1:1/router/rest") || strings.Contains(text, "own-") {
			t.Errorf("%s", text)
		}
		if strings.Contains(text, developmentSecret) != test.shown || strings.Contains(text, developmentSession) != test.shown {
			t.Errorf("development values shown: want %v in %s", test.shown, text)
		}
	}
}

func TestSimulatorReadsTheSecretFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run, announced := startSimulator(t, "--app-secret-file", path, "--app-key", "77")
	// A call of a method without session, signed with the secret of the file, fails only at its arguments.
	timestamp := time.Now().UTC().Add(8 * time.Hour).Format(time.DateTime)
	base := "app_key77formatjsonmethodtmall.ovs.delivery.order.info.sendsign_methodmd5timestamp" + timestamp + "v2.0"
	query := url.Values{
		"app_key": {"77"}, "format": {"json"}, "method": {"tmall.ovs.delivery.order.info.send"}, "sign_method": {"md5"},
		"timestamp": {timestamp}, "v": {"2.0"},
		"sign": {fmt.Sprintf("%X", md5.Sum([]byte("from-a-file"+base+"from-a-file")))},
	}
	if _, body := simulatorGet(t, announced["top"]+"?"+query.Encode()); !strings.Contains(body, "isv.missing-parameter:param") {
		t.Errorf("%s, want a good sign and a missing argument", body)
	}
	run.end(t)
}

func TestSimulatorRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args  []string
		code  int
		words string
	}{
		{[]string{"--listen", "0.0.0.0:0"}, exitUsage, "--allow-remote"},
		{[]string{"--listen", ":0"}, exitUsage, "--allow-remote"},
		{[]string{"--listen", "192.0.2.1:0"}, exitUsage, "--allow-remote"},
		{[]string{"--listen", "example"}, exitUsage, "--allow-remote"},
		{[]string{"--listen", "127.0.0.1:99999"}, exitFailed, "--listen"},
		{[]string{"--app-secret-file", "/no/such/file"}, exitConfig, "/no/such/file"},
		{[]string{"--app-secret-file", empty}, exitConfig, "is empty"},
		{[]string{"--app-secret", "a", "--app-secret-file", "b"}, exitUsage, "not both"},
		{[]string{"--app-secret", ""}, exitUsage, "no secret"},
		{[]string{"--app-key", ""}, exitUsage, "app key is empty"},
		{[]string{"--qps", "-1"}, exitUsage, "negative"},
		{[]string{"--latency", "-1s"}, exitUsage, "negative"},
		{[]string{"--latency", "1"}, exitUsage, "latency"},
		{[]string{"--keep-calls", "0"}, exitUsage, "--keep-calls"},
		{[]string{"--schemas-dir", "/no/such/dir"}, exitConfig, "/no/such/dir"},
		{[]string{"extra"}, exitUsage, "extra"},
	} {
		var stdout, stderr bytes.Buffer
		if code := execute(t.Context(), append([]string{"simulator"}, test.args...), nil, &stdout, &stderr); code != test.code {
			t.Errorf("%v: exit code %d, want %d", test.args, code, test.code)
		}
		if !strings.Contains(stderr.String(), test.words) || stdout.Len() != 0 {
			t.Errorf("%v: %q %q", test.args, &stdout, &stderr)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "127.1.2.3:0": true, "[::1]:80": true, "localhost:80": true, "0.0.0.0:80": false, ":80": false,
		"[::]:80": false, "10.0.0.1:80": false, "127.0.0.1": false, "": false, "localhost.example:80": false,
	} {
		if isLoopback(address) != want {
			t.Errorf("%q: %v", address, !want)
		}
	}
}

// The example of a business fault names fields that the method's reply has: others would be read by nobody, and the refusal
// would seem to have no reason.
func TestSimulatorHelpNamesFieldsOfTheReply(t *testing.T) {
	_, help, _ := worker(t, "", "simulator", "--help")
	found := 0
	for line := range strings.Lines(help) {
		_, text, ok := strings.Cut(strings.TrimSuffix(strings.TrimSpace(line), "'"), " -d '")
		var faults []struct {
			Match  struct{ Method string }
			Action struct{ Business map[string]any }
		}
		if !ok || json.Unmarshal([]byte(text), &faults) != nil || faults[0].Action.Business == nil {
			continue
		}
		found++
		cat, err := schemas.Load("")
		if err != nil {
			t.Fatal(err)
		}
		typ, known := cat.ByMethod(faults[0].Match.Method)
		if !known {
			t.Fatalf("%s: no such method", line)
		}
		for _, path := range [][]string{typ.Reply.Success, typ.Reply.Code, typ.Reply.Message} {
			delete(faults[0].Action.Business, path[len(path)-1])
		}
		if len(faults[0].Action.Business) > 0 {
			t.Errorf("%s has no fields %v", typ.Method, faults[0].Action.Business)
		}
	}
	if found != 1 {
		t.Errorf("%d examples of a business fault, want 1:\n%s", found, help)
	}
}
