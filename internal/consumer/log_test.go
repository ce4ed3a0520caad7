package consumer

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/toprelay/worker/internal/top"
)

// One line an outcome, with all that one asks for.
func TestOneLineAnOutcome(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.caller.lasting(func(fakeCall) time.Duration { return 250 * time.Millisecond })
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.id == "bad" {
				return refused()
			}
			if c.n == 1 {
				return unreachable()
			}
			return accepted()
		})
		r.produce(status("good", 1), status("bad", 2), status("broken", 3, value("{")))
		r.pass(5 * time.Second)
		r.produce(status("good", 1))
		lines := map[string]map[string]any{}
		for _, l := range r.logs.with(t, "settled") {
			lines[fmt.Sprint(l["event_id"], " ", l["outcome"])] = l
		}
		r.want("lines", len(r.logs.with(t, "settled")), 4)
		tests := []struct {
			line string
			want map[string]any
		}{
			{"good delivered", map[string]any{"level": "INFO", "topic": topic, "partition": 0.0, "offset": 0.0, "type": statusType, "method": statusMethod,
				"account": "default", "key": "1", "attempts": 2.0, "duration": 0.25, "request_id": "req", "age": 1.5}},
			{"good duplicate", map[string]any{"level": "INFO", "offset": 3.0, "attempts": 0.0}},
			{"bad dead_lettered", map[string]any{"level": "WARN", "reason": "rejected", "code": "15", "sub_code": "isv.order-closed",
				"message": "15 isv.order-closed: closed", "attempts": 1.0}},
			{"broken dead_lettered", map[string]any{"level": "WARN", "reason": "malformed_event", "attempts": 0.0, "type": statusType}},
		}
		for _, tt := range tests {
			for name, want := range tt.want {
				if got := lines[tt.line][name]; got != want {
					t.Errorf("%s: %s = %v, want %v", tt.line, name, got, want)
				}
			}
		}
	})
}

// A log that is set to warnings costs no line for what goes well.
func TestQuietLog(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.worker.log = slog.New(slog.NewJSONHandler(r.logs, &slog.HandlerOptions{Level: slog.LevelWarn}))
		r.produce(status("good", 1), status("broken", 3, value("{")))
		r.want("lines", len(r.logs.with(t, "settled")), 1)
	})
}

// Texts from outside have a bound in the log and in the letter's message, however long they are.
func TestLongTexts(t *testing.T) {
	started(t, nil, func(r *rig) {
		long := strings.Repeat("长", 40_000)
		r.caller.answer(func(fakeCall) top.Reply {
			reply := refused()
			reply.Message = long
			return reply
		})
		r.produce(
			status("e-1", 1, without("ce_id"), header("ce_id", long)), create(long),
			status("e-2", 2, without("ce_type"), header("ce_type", long)), status("e-3", 3, ofAccount(long)),
			status("e-4", 4, value(`{"logistics_order_id":4,"status_code":"create","`+long+`":1}`)))
		r.want("lines", len(r.logs.with(t, "settled")), 5)
		for line := range strings.Lines(r.logs.String()) {
			if len(line) > 4096 {
				t.Errorf("a log line of %d bytes: %.300s…", len(line), line)
			}
		}
		for _, l := range r.letters.list() {
			if len(l.Message) > 1024 || !utf8.ValidString(l.Message) || l.Message == "" {
				t.Errorf("a message of %d bytes: %.100q", len(l.Message), l.Message)
			}
		}
	})
}
