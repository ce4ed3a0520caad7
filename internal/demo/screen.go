package demo

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/toprelay/worker/internal/app"
	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
)

const (
	redraw     = 250 * time.Millisecond
	plainEvery = 5 * time.Second
	retryEvery = 2 * time.Second // at most one line about retries each so often
)

// screen shows what happens: lines that scroll, and on a terminal a few lines below them that are drawn again and again.
type screen struct {
	out      io.Writer
	terminal bool
	width    int
	begin    time.Time

	mu        sync.Mutex
	outcomes  map[consumer.Kind]int
	reasons   map[string]int
	retries   int
	lastRetry time.Time
	first     time.Time // of the first delivered event
	drawn     int       // status lines on the terminal now
	waiting   map[string]int
	pauses    []retry.Pause
}

func newScreen(o Options) *screen {
	return &screen{
		out: o.Out, terminal: o.Terminal, width: max(o.Width, 40), begin: time.Now(),
		outcomes: map[consumer.Kind]int{}, reasons: map[string]int{},
	}
}

func (s *screen) welcome(kafka, gateway, ops string) {
	s.print(fmt.Sprintf(`TOP Relay demo. Everything runs in this process; Ctrl-C stops it.

  Kafka       %s   topics top.status-changes, top.work-orders, top.dead-letters, top.results
  simulator   %s   what it received: %s/_sim/calls
  worker      %s   /metrics  /readyz  /livez
`, kafka, gateway, gateway, ops))
}

// say prints a line with its time.
func (s *screen) say(text string) {
	s.print(time.Now().Format(time.TimeOnly) + "  " + text)
}

func (s *screen) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	fmt.Fprintln(s.out, text)
	s.draw()
}

// run draws until ctx ends.
func (s *screen) run(ctx context.Context, worker *app.App) {
	every := redraw
	if !s.terminal {
		every = plainEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			s.mu.Lock()
			s.erase()
			s.terminal = false
			s.mu.Unlock()
			return
		case <-ticker.C:
		}
		waiting, pauses := worker.Waiting(), worker.Pauses()
		s.mu.Lock()
		s.waiting, s.pauses = waiting, pauses
		if s.terminal {
			s.erase()
			s.draw()
		} else {
			for _, line := range s.status() {
				fmt.Fprintln(s.out, time.Now().Format(time.TimeOnly)+"  "+line)
			}
		}
		s.mu.Unlock()
	}
}

// draw shows the status below the lines. The lock is held.
func (s *screen) draw() {
	if !s.terminal {
		return
	}
	for _, line := range s.status() {
		fmt.Fprintln(s.out, "\x1b[2m"+clip(line, s.width)+"\x1b[0m")
		s.drawn++
	}
}

// erase takes the status away. The lock is held.
func (s *screen) erase() {
	if s.drawn > 0 {
		fmt.Fprintf(s.out, "\x1b[%dA\x1b[J", s.drawn)
		s.drawn = 0
	}
}

// status is what stands now, in words.
func (s *screen) status() []string {
	waiting := 0
	var why []string
	for reason, n := range s.waiting {
		if n > 0 && reason != retry.ReasonConcurrency {
			waiting += n
			why = append(why, fmt.Sprintf("%d %s", n, reason))
		}
	}
	slices.Sort(why)
	line := fmt.Sprintf("delivered %d   duplicate %d   dead-lettered %d   retried %d   keys waiting %d",
		s.outcomes[consumer.Delivered], s.outcomes[consumer.Duplicate], s.outcomes[consumer.DeadLettered], s.retries, waiting)
	if waiting > 0 {
		line += " (" + strings.Join(why, ", ") + ")"
	}
	lines := []string{line}
	for _, p := range s.pauses {
		text := "paused: " + p.Method + p.AppKey + p.Account + ", " + p.Reason
		switch {
		case !p.Until.IsZero():
			text += ", for another " + max(time.Until(p.Until), 0).Round(time.Second).String()
		case !p.NextProbe.IsZero() && time.Until(p.NextProbe) < time.Second:
			text += ", the next call is a probe"
		case !p.NextProbe.IsZero():
			text += ", next probe in " + time.Until(p.NextProbe).Round(time.Second).String()
		}
		lines = append(lines, text)
	}
	return lines
}

// Settled implements consumer.Observer.
func (s *screen) Settled(e consumer.Settled) {
	s.mu.Lock()
	s.outcomes[e.Outcome]++
	first := e.Outcome == consumer.Delivered && s.first.IsZero()
	if first {
		s.first = time.Now()
	}
	firstDuplicate := e.Outcome == consumer.Duplicate && s.outcomes[consumer.Duplicate] == 1
	if e.Outcome == consumer.DeadLettered {
		s.reasons[e.Reason]++
	}
	s.mu.Unlock()
	switch {
	case first:
		s.say(fmt.Sprintf("delivered: %s, order %s, %d ms after it was published (the first one; from here on they are counted)", e.Type, e.Key, e.Age.Milliseconds()))
	case firstDuplicate:
		s.say(fmt.Sprintf("duplicate: %s, event %s was delivered before, so no call was made (the first one; from here on they are counted)", e.Type, e.EventID))
	case e.Outcome == consumer.DeadLettered:
		s.say(fmt.Sprintf("dead-lettered: %s, event %s: %s: %s", e.Type, e.EventID, e.Reason, e.Message))
	}
}

// Attempted implements consumer.Observer.
func (s *screen) Attempted(e consumer.Attempted) {
	s.mu.Lock()
	s.retries++
	quiet := time.Since(s.lastRetry) < retryEvery
	if !quiet {
		s.lastRetry = time.Now()
	}
	s.mu.Unlock()
	if quiet {
		return
	}
	next := "next try in " + e.Wait.Round(10*time.Millisecond).String()
	if e.Wait <= 0 { // an open breaker or a pause decides
		next = "next try once its API is called again"
	}
	s.say(fmt.Sprintf("retrying: %s, order %s failed (%s), %s", e.Type, e.Key, e.Class, next))
}

// summary says what came of it all.
func (s *screen) summary(published int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	settled := 0
	for _, n := range s.outcomes {
		settled += n
	}
	fmt.Fprintf(s.out, "\nIn %s: published %d events; %d delivered, %d duplicates, %d dead letters", time.Since(s.begin).Round(time.Second),
		published, s.outcomes[consumer.Delivered], s.outcomes[consumer.Duplicate], s.outcomes[consumer.DeadLettered])
	if len(s.reasons) > 0 {
		var parts []string
		for reason, n := range s.reasons {
			parts = append(parts, fmt.Sprintf("%d %s", n, reason))
		}
		slices.Sort(parts)
		fmt.Fprintf(s.out, " (%s)", strings.Join(parts, ", "))
	}
	if left := published - settled; left > 0 {
		fmt.Fprintf(s.out, "; %d not settled yet, which a restarted worker would consume again", left)
	}
	fmt.Fprintln(s.out, ".")
}

// clip cuts a line to the width of the terminal, so that redrawing counts lines right.
func clip(line string, width int) string {
	r := []rune(line)
	if len(r) < width {
		return line
	}
	return string(r[:width-1])
}
