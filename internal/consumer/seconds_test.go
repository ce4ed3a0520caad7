package consumer

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestSecondsAreWrittenToTheUnit(t *testing.T) {
	for _, test := range []struct {
		d, unit time.Duration
		want    string
	}{
		{2813 * time.Millisecond, time.Millisecond, "2.813"},
		{2812_600 * time.Microsecond, time.Millisecond, "2.813"},
		{2813_001 * time.Microsecond, time.Microsecond, "2.813001"},
		{250 * time.Millisecond, time.Microsecond, "0.25"},
		{-3 * time.Millisecond, time.Millisecond, "-0.003"},
		{0, time.Millisecond, "0"},
		{49*time.Hour + 5*time.Millisecond, time.Millisecond, "176400.005"},
	} {
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(&out, nil)).LogAttrs(t.Context(), slog.LevelInfo, "", seconds("age", test.d, test.unit))
		if !strings.Contains(out.String(), `"age":`+test.want+"}") {
			t.Errorf("%v is logged as %s, want %s", test.d, out.String(), test.want)
		}
	}
}
