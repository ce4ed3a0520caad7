package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/toprelay/worker/internal/simulator"
)

// incident is one thing that goes wrong in the demo.
type incident struct {
	after time.Duration // since the incident before
	say   string
	do    func(ctx context.Context, sim *simulator.Simulator, f *feeder, round int) error
}

const (
	logisticsMethod = "tmall.servicecenter.workcard.logisticsorder.update"
	banSeconds      = 8
	outage          = 10 * time.Second
)

// incidents are played in turn, again and again.
var incidents = []incident{
	{6 * time.Second, "incident: a publisher sends an event that is no JSON: it becomes a dead letter at once, with no call",
		func(ctx context.Context, _ *simulator.Simulator, f *feeder, round int) error {
			return f.single(ctx, fmt.Sprintf("malformed-%d", round), "900000002", `{"logistics_order_id":900000002,`)
		}},
	{3 * time.Second, "incident: a publisher forgets a field that the status needs: a dead letter with the field's pointer",
		func(ctx context.Context, _ *simulator.Simulator, f *feeder, round int) error {
			return f.single(ctx, fmt.Sprintf("invalid-%d", round), "900000003", `{"logistics_order_id":900000003,"status_code":"signed"}`)
		}},
	{3 * time.Second, "incident: the platform refuses one order: that event becomes a dead letter, the others go on",
		func(ctx context.Context, sim *simulator.Simulator, f *feeder, round int) error {
			if err := sim.SetFaults([]simulator.Fault{{
				Match:  simulator.Match{Method: logisticsMethod, Key: rejectedKey},
				Action: simulator.Action{Business: map[string]any{"success": false, "msg_code": "ORDER_CLOSED", "display_msg": "订单已关闭"}},
			}}); err != nil {
				return err
			}
			return f.single(ctx, fmt.Sprintf("rejected-%d", round), rejectedKey, `{"logistics_order_id":`+rejectedKey+`,"status_code":"cancel"}`)
		}},
	{5 * time.Second, fmt.Sprintf("incident: the platform bans one method for %d s: only that method waits, nothing is dead-lettered", banSeconds),
		func(_ context.Context, sim *simulator.Simulator, _ *feeder, _ int) error {
			return sim.SetFaults([]simulator.Fault{{
				Match:  simulator.Match{Method: logisticsMethod},
				Action: simulator.Action{BanSeconds: banSeconds, Scope: simulator.ScopeAPI},
			}})
		}},
	{15 * time.Second, fmt.Sprintf("incident: the gateway answers 502 for %s: the breakers open, everything waits; only service orders whose call may have run, and must not be repeated, are dead-lettered as outcome_unknown", outage),
		func(_ context.Context, sim *simulator.Simulator, _ *feeder, _ int) error {
			return sim.SetFaults([]simulator.Fault{{Action: simulator.Action{Status: 502, Body: "<html>Bad Gateway</html>"}}})
		}},
	{outage, "incident: the gateway is back: the breakers close after a probe, and what waited goes out in order",
		func(_ context.Context, sim *simulator.Simulator, _ *feeder, _ int) error { return sim.SetFaults(nil) }},
	{20 * time.Second, "all is quiet; the incidents begin again",
		func(context.Context, *simulator.Simulator, *feeder, int) error { return nil }},
}

// play plays the incidents until ctx ends.
func play(ctx context.Context, sim *simulator.Simulator, f *feeder, scr *screen) {
	for round := 0; ; round++ {
		for _, in := range incidents {
			timer := time.NewTimer(in.after)
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
			scr.say(in.say)
			if err := in.do(ctx, sim, f, round); err != nil && ctx.Err() == nil {
				scr.say("the incident failed: " + err.Error())
			}
		}
	}
}
