package integration

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestMemberOfAnotherHost: two workers with an embedded store each would send everything twice after a rebalance. With a
// member of another host in its group the worker consumes nothing, is not ready, and says why (contract section 11).
func TestMemberOfAnotherHost(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{})
	// Another address of the loopback network stands for another host.
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	joined := make(chan struct{})
	var once sync.Once
	stranger := r.other(kgo.ConsumerGroup(r.name), kgo.ConsumeTopics(r.consumed()...), kgo.Dialer(dialer.DialContext), kgo.Balancers(kgo.RangeBalancer()),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { once.Do(func() { close(joined) }) }))
	ctx, cancel := context.WithCancel(r.ctx())
	var polling sync.WaitGroup
	polling.Go(func() {
		for ctx.Err() == nil {
			stranger.PollRecords(ctx, 1)
		}
	})
	t.Cleanup(polling.Wait)
	t.Cleanup(cancel)
	<-joined
	r.start()
	r.awaitMissing("host")
	if n := len(r.gateway.log()); n != 0 {
		t.Errorf("%d calls", n)
	}
	r.stop()
}
