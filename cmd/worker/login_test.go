package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A login that Kafka refuses is no broker that is away: the commands say so, and what to correct.
func TestLoginRefused(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("PLAIN", "relay", "password-not-real"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		reply := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		reply.ErrorCode = 58 // SASL_AUTHENTICATION_FAILED; by itself kfake hangs up
		return reply, nil, true
	})
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("other-not-real"), 0o600); err != nil {
		t.Fatal(err)
	}
	login := []string{"--set", "kafka.brokers=" + cluster.ListenAddrs()[0], "--set", "kafka.sasl.mechanism=plain",
		"--set", "kafka.sasl.username=relay", "--set", "kafka.sasl.password_file=" + file}
	const line = `{"type":"top.nobody.v1","id":"1","source":"/wms","data":{}}`
	for _, args := range [][]string{{"topics", "create"}, {"topics", "create", "--dry-run"}, {"publish", "-", "--no-validate", "--topic", "t"}} {
		code, _, stderr := worker(t, line, append(args, login...)...)
		want := "no connection to Kafka at " + cluster.ListenAddrs()[0]
		if code != exitUnreachable || !strings.Contains(stderr, want) || strings.Contains(stderr, "kafka.(") ||
			!strings.Contains(stderr, "the login is refused: SASL Authentication Failed; correct mechanism, username and password file of kafka.sasl") {
			t.Errorf("%v: exit code %d, want %d: %s", args, code, exitUnreachable, stderr)
		}
	}
}
