package dedup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/toprelay/worker/internal/consumer"
)

// troubles are what servers answer, as seen on Redis 6.2 and 7.0.
var troubles = []struct {
	answer string
	want   RedisTrouble
}{
	{"READONLY You can't write against a read only replica.", RedisReadOnly},
	{"READONLY You can't write against a read only replica. script: 9f1a, on @user_script:46.", RedisReadOnly},
	{"ERR Error running script (call to f_9f1a): @user_script:46: @user_script: 46: -READONLY You can't write against a read only replica.", RedisReadOnly},
	{"OOM command not allowed when used memory > 'maxmemory'.", RedisFull},
	{"ERR Error running script (call to f_9f1a): @user_script:46: @user_script: 46: -OOM command not allowed when used memory > 'maxmemory'.", RedisFull},
	{"NOAUTH Authentication required.", RedisLogin},
	{"WRONGPASS invalid username-password pair or user is disabled.", RedisLogin},
	{"ERR invalid password", RedisLogin},
	{"NOPERM this user has no permissions to run the 'evalsha' command", RedisPermission},
	{"LOADING Redis is loading the dataset in memory", RedisLoading},
	{"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", RedisMasterDown},
	{"CLUSTERDOWN The cluster is down", RedisCluster},
	{"CLUSTERDOWN Hash slot not served", RedisCluster},
	{"TRYAGAIN Multiple keys request during rehashing of slot", RedisCluster},
	{"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.", RedisDisk},
	{"NOREPLICAS Not enough good replicas to write.", RedisReplicas},
	{"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", RedisBusy},
	{"ERR max number of clients reached", RedisBusy},
	{"ERR something new", RedisOther},
}

// TestAnswersOfTheServer: each trouble is told apart over the real way of an answer, and is never a claim.
func TestAnswersOfTheServer(t *testing.T) {
	m := miniredis.RunT(t)
	s := openRedis(t, RedisOptions{Addresses: []string{m.Addr()}}, nil, Options{})
	c := mustClaim(t, s, repeatable("held"), consumer.AnswerMine)
	for _, test := range troubles {
		m.SetError(test.answer)
		claim, err := s.Claim(t.Context(), once("a"))
		if troubleOf(err) != test.want || claim.Answer != 0 || claim.Token != 0 {
			t.Errorf("%s\n gave %+v, %v; want %s", test.answer, claim, err, test.want)
		}
		for name, err := range everyEnd(t.Context(), s, idOf("held"), c.Token) {
			if troubleOf(err) != test.want || errors.Is(err, consumer.ErrClaimLost) {
				t.Errorf("%s: %s: %v, want %s", test.answer, name, err, test.want)
			}
		}
		if got := troubleOf(s.Healthy()); got != test.want {
			t.Errorf("%s: Healthy says %q", test.answer, got)
		}
		m.SetError("")
	}
	must(t, s.Delivered(t.Context(), idOf("held"), c.Token, contentNo(1), nil))
	mustClaim(t, s, once("a"), consumer.AnswerMine)
	must(t, s.Healthy())
}

// TestErrorsOfTheNetwork: whether the server may have done it decides what must be given back.
func TestErrorsOfTheNetwork(t *testing.T) {
	for _, test := range []struct {
		err       error
		want      RedisTrouble
		uncertain bool
	}{
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, RedisDown, false},
		{fmt.Errorf("pool: %w", &net.OpError{Op: "dial", Err: context.DeadlineExceeded}), RedisDown, false},
		{redis.ErrPoolTimeout, RedisDown, false},
		{redis.ErrClosed, RedisDown, false},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, RedisSlow, true},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, RedisSlow, true},
		{io.EOF, RedisSlow, true},
		{io.ErrUnexpectedEOF, RedisSlow, true},
		{context.DeadlineExceeded, RedisSlow, true},
		{errors.New("something new"), RedisSlow, true},
	} {
		got := judge(test.err)
		if got.Trouble != test.want || got.uncertain() != test.uncertain {
			t.Errorf("%v: %s, uncertain %v", test.err, got.Trouble, got.uncertain())
		}
		if errors.Is(got, context.DeadlineExceeded) && got.Trouble == RedisSlow {
			t.Errorf("%v looks like the end of the caller's context", test.err)
		}
	}
	for trouble, advice := range redisAdvice {
		if text := (&RedisError{Trouble: trouble}).Error(); text != advice || text == "" {
			t.Errorf("%s says %q", trouble, text)
		}
	}
}
