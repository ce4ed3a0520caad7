package secret_test

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/secret"
)

func TestNothingShowsASecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	write(t, path, canary, 0o600)
	file := open(t, path)
	if file.Value() != canary || secret.Static(canary).Value() != canary {
		t.Fatal("the secrets are not what they should be")
	}
	type account struct{ Secret any }
	for name, s := range map[string]any{"File": file, "Static": secret.Static(canary)} {
		var outputs []string
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%b", "%e", "%c", "%10v"} {
			outputs = append(outputs, fmt.Sprintf(verb, s), fmt.Sprintf(verb, account{s}), fmt.Sprintf(verb, &account{s}),
				fmt.Sprintf(verb, []any{s}), fmt.Sprintf(verb, map[string]any{"a": s}), fmt.Errorf(verb, s).Error())
		}
		asText, err := s.(encoding.TextMarshaler).MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		outputs = append(outputs, string(asText), fmt.Sprint(s), fmt.Sprintln(s), s.(fmt.Stringer).String(), s.(fmt.GoStringer).GoString())
		for _, v := range []any{s, account{s}, []any{s}} {
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			outputs = append(outputs, string(text))
		}
		var log bytes.Buffer
		for _, h := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
			slog.New(h).With("a", s).Info("m", "b", s, "c", account{s}, slog.Group("g", "d", s))
		}
		outputs = append(outputs, log.String())
		for _, out := range outputs {
			if strings.Contains(out, canary) || strings.Contains(out, fmt.Sprintf("%x", canary)) || strings.Contains(out, fmt.Sprintf("%X", canary)) {
				t.Errorf("%s shows its secret: %s", name, out)
			}
			if !strings.Contains(out, "[redacted]") {
				t.Errorf("%s: %s", name, out)
			}
		}
	}
}
