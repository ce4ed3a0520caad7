package retry

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// The line of a key that waits alone names the key, for whoever looks for the order, cut to a length, and the account also
// where the reply is about the method.
func TestParkedKeyIsNamed(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		w.call(at("a", update), strings.Repeat("长", 100), misconfigured(LevelMethod))
		if n := w.logged("parked one key", "scope=method", "account=a", "method="+update, "key="+strings.Repeat("长", 85)); n != 1 {
			t.Fatalf("log:\n%s", w.logs)
		}
		if strings.Contains(w.logs.String(), strings.Repeat("长", 86)) || !utf8.ValidString(w.logs.String()) {
			t.Errorf("the key is not cut between characters:\n%s", w.logs)
		}
	})
}

// What to look at stands beside the code while a place is paused, in the log and in the snapshot, also after a restart; a
// pause that is over needs no advice.
func TestAdvice(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		ban := throttled(LevelAppKey, time.Hour)
		ban.Advice = "wait"
		w.call(s, "k1", ban)
		pauses := w.Pauses()
		if len(pauses) != 1 || pauses[0].Detail != "7 accesscontrol" || pauses[0].Advice != "wait" {
			t.Errorf("pauses %+v", pauses)
		}
		again := newWorld(t, Options{})
		again.Restore(pauses)
		if n := again.logged("paused", "restored=true", "advice=wait"); n != 1 {
			t.Errorf("log after the restart:\n%s", again.logs)
		}
		time.Sleep(time.Hour)
		w.Active(s)
		if w.logged("paused", "advice=wait") != 1 || w.logged("resumed") != 1 || w.logged("resumed", "advice") != 0 {
			t.Errorf("log:\n%s", w.logs)
		}
	})
}

// The advice of a storm of rejections is that of the last one's code, or a general one.
func TestAdviceOfAStorm(t *testing.T) {
	for advice, want := range map[string]string{"": stormAdvice, "compare": "advice=compare"} {
		in(t, Options{FuseKeys: 3}, func(t *testing.T, w *world) {
			for i := range 3 {
				w.call(at("a", update), fmt.Sprint(i), Report{Kind: KindRejected, Detail: "41", Advice: advice})
			}
			if n := w.logged("paused", "reason=rejection_storm", "detail=41", want); n != 1 {
				t.Errorf("log:\n%s", w.logs)
			}
		})
	}
}
