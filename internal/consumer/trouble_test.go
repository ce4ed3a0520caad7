package consumer

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

func TestTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logs := &logLines{}
		tr := newTrouble(slog.New(slog.NewJSONHandler(logs, nil)))
		failing := func() { tr.report("kind", "it fails", errors.New("boom"), "part", 3) }
		said := func(failed, well int) {
			t.Helper()
			if f, w := len(logs.with(t, "it fails")), len(logs.with(t, "it works")); f != failed || w != well {
				t.Errorf("said %d times that it fails and %d times that it works, want %d and %d", f, w, failed, well)
			}
		}
		tr.over("kind", "it works")
		said(0, 0)
		failing()
		failing()
		said(1, 0)
		time.Sleep(59 * time.Second)
		failing()
		said(1, 0)
		time.Sleep(time.Second)
		failing()
		said(2, 0)
		if l := logs.with(t, "it fails")[1]; l["times"] != 2.0 || l["part"] != 3.0 || l["error"] != "boom" || l["since"] != "2000-01-01T00:00:00Z" {
			t.Errorf("the second line is %v", l)
		}
		time.Sleep(time.Second)
		tr.over("kind", "it works", "part", 3)
		tr.over("kind", "it works")
		said(2, 1)
		if l := logs.with(t, "it works")[0]; l["after"] != 61.0 || l["part"] != 3.0 {
			t.Errorf("its end is said as %v", l)
		}
		// It comes back at once: not said before a minute has passed, and then neither is its end.
		for range 10 {
			failing()
			tr.over("kind", "it works")
		}
		said(2, 1)
		tr.report("another kind", "it fails", errors.New("boom"))
		said(3, 1)
		time.Sleep(time.Minute)
		failing()
		said(4, 1)
		tr.end("kind")
		tr.over("kind", "it works")
		said(4, 1)
	})
}
