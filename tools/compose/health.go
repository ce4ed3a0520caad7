package compose

import (
	"context"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

// checkTimeout is the default of `worker check --timeout`: an engine must wait longer, or it would never see the reason.
const checkTimeout = 5 * time.Second

// health looks at the health check of a service of ours: its own, else that of the image.
func (r *rules) health(ctx context.Context) {
	h := r.service.HealthCheck
	test, timeout := r.container.Image.Health, r.container.Image.HealthTimeout
	switch {
	case h != nil && h.Disable:
		if r.service.Restart != "no" {
			r.problem("runs on and has no health check")
		}
		return
	case h != nil && len(h.Test) > 0:
		test = h.Test
		if h.Timeout != nil {
			timeout = time.Duration(*h.Timeout)
		}
	case !r.composition.does(r.service, "run"):
		r.problem("has the health check of the image, which asks a worker")
		return
	}
	if timeout <= checkTimeout {
		r.problem("health check: the time-out must be above %s", checkTimeout)
	}
	for _, problem := range healthCommand(test, r.container.Image) {
		r.problem("health check: %s", problem)
		return
	}
	r.commandLine(ctx, "health check", test[2:])
	for _, text := range test {
		if address := loopbackURL.FindString(text); address != "" {
			r.loopbackAddress(ctx, "health check", address)
		}
	}
}

// healthCommand says what is wrong with the first words of a health check: there is no shell in the image.
func healthCommand(test types.HealthCheckTest, m *Image) []string {
	if len(test) < 3 || test[0] != "CMD" {
		return []string{"it needs a shell, and the image has none: write CMD and the words"}
	}
	if !slices.Contains(m.Entrypoint, test[1]) {
		return []string{test[1] + " is not the binary of the image"}
	}
	return nil
}
