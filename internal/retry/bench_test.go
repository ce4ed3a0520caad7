package retry

import (
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// The good path: nothing is paused, a rate limit is configured and not reached.
func BenchmarkAdmitDone(b *testing.B) {
	for name, r := range map[string]Rate{"unlimited": {}, "limited": {PerSecond: 1e7, Burst: 1e6, PerDay: 1e9}} {
		b.Run(name, func(b *testing.B) {
			g := NewGate(Options{
				Rate: r, Registerer: prometheus.NewRegistry(), Methods: map[string]MethodOptions{
					update: {Repeatable: true}, syncing: {Repeatable: true}, create: {},
				}})
			keys := make([]string, 2000)
			for i := range keys {
				keys[i] = "order-" + strconv.Itoa(i)
			}
			scopes := []Scope{at("a", update), at("b", syncing)}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p, _ := g.Admit(scopes[i%2], keys[i%len(keys)])
				if p == nil {
					b.Fatal("refused")
				}
				p.Done(ok)
			}
		})
	}
}

func BenchmarkRefused(b *testing.B) {
	g := NewGate(Options{Concurrency: 1, Methods: map[string]MethodOptions{update: {Repeatable: true}}})
	s := at("a", update)
	if p, _ := g.Admit(s, "k"); p == nil {
		b.Fatal("refused")
	}
	b.ReportAllocs()
	for b.Loop() {
		if p, _ := g.Admit(s, "k"); p != nil {
			b.Fatal("admitted")
		}
	}
}

func BenchmarkNextChange(b *testing.B) {
	g := NewGate(Options{})
	for i := range 500 {
		g.Admit(at(strconv.Itoa(i), update), "k")
	}
	b.ReportAllocs()
	for b.Loop() {
		g.NextChange()
	}
}
