package retry

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestAfterIsWrittenToTheMillisecond(t *testing.T) {
	for d, want := range map[time.Duration]string{
		2813 * time.Millisecond:                "2.813",
		2812_600 * time.Microsecond:            "2.813",
		8 * time.Second:                        "8",
		-1400 * time.Microsecond:               "-0.001",
		49*time.Hour + 5*time.Millisecond:      "176400.005",
		16*time.Minute + 1999*time.Millisecond: "961.999",
	} {
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(&out, nil)).LogAttrs(t.Context(), slog.LevelInfo, "", after(d))
		if !strings.Contains(out.String(), `"after":`+want+"}") {
			t.Errorf("%v is logged as %s, want %s", d, out.String(), want)
		}
	}
}
