package integration

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestMemberOfAnotherHost: two workers with an embedded store each would send everything twice after a rebalance. With a
// member of another host in its group, there before it or come later, the worker consumes nothing, is not ready, and says
// why (contract section 11). When the other has left it goes on.
func TestMemberOfAnotherHost(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{})
	leave := r.stranger()
	r.start()
	r.awaitMissing("a member on another host, 127.0.0.2")
	leave()
	r.awaitReady()

	leave = r.stranger()
	r.awaitMissing("a member on another host, 127.0.0.2")
	e := kinds[0].event(1)
	r.publish(e)
	if n := len(r.gateway.log()); n != 0 {
		t.Errorf("%d calls", n)
	}
	leave()
	r.awaitReady()
	r.stop()
}

// stranger joins the group from another address of the loopback network, which stands for another host. It is a member
// when it returns; leave makes it leave.
func (r *relay) stranger() (leave func()) {
	r.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	joined := make(chan struct{})
	var once sync.Once
	client := r.other(kgo.ConsumerGroup(r.name), kgo.ConsumeTopics(r.consumed()...), kgo.Dialer(dialer.DialContext), kgo.Balancers(kgo.RangeBalancer()),
		kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { once.Do(func() { close(joined) }) }))
	ctx, cancel := context.WithCancel(r.ctx())
	var polling sync.WaitGroup
	polling.Go(func() {
		for ctx.Err() == nil {
			client.PollRecords(ctx, 1)
		}
	})
	leave = sync.OnceFunc(func() {
		cancel()
		polling.Wait()
		client.Close()
	})
	r.t.Cleanup(leave)
	select {
	case <-joined:
	case <-r.ctx().Done():
		r.t.Fatal("the stranger did not get into the group")
	}
	return leave
}
