package dedup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/toprelay/worker/internal/consumer"
)

// RedisTrouble says what keeps Redis from doing what was asked.
type RedisTrouble string

// The troubles. Each may pass without a restart of the worker.
const (
	RedisDown       RedisTrouble = "down"         // no connection
	RedisSlow       RedisTrouble = "slow"         // no answer in time, or the connection ended before it
	RedisReadOnly   RedisTrouble = "read_only"    // a replica
	RedisFull       RedisTrouble = "full"         // maxmemory is reached
	RedisLogin      RedisTrouble = "login"        // user name or password are wrong or missing
	RedisPermission RedisTrouble = "permission"   // the user may not do this
	RedisLoading    RedisTrouble = "loading"      // it reads its data after a start
	RedisMasterDown RedisTrouble = "master_down"  // a replica without its master
	RedisCluster    RedisTrouble = "cluster_down" // the Cluster has no node for a key
	RedisDisk       RedisTrouble = "disk"         // it cannot save, and takes no writes until it can (MISCONF)
	RedisReplicas   RedisTrouble = "replicas"     // too few replicas have the write
	RedisBusy       RedisTrouble = "busy"         // a script of somebody runs for too long, or there are too many clients
	RedisOther      RedisTrouble = "other"
)

// redisAdvice says what it is and what to do.
var redisAdvice = map[RedisTrouble]string{
	RedisDown:       "Redis cannot be reached: check that it runs, and dedup.redis.addresses",
	RedisSlow:       "Redis did not answer in time",
	RedisReadOnly:   "Redis is a replica and takes no writes: name the master in dedup.redis.addresses, or the sentinels with sentinel_master",
	RedisFull:       "Redis has no memory left: raise its maxmemory",
	RedisLogin:      "Redis refused the login: check dedup.redis.username and password_file",
	RedisPermission: "the user of Redis lacks a permission: it needs +@read +@write +@scripting +@connection +info +wait on the keys of dedup.redis.prefix",
	RedisLoading:    "Redis still reads its data",
	RedisMasterDown: "Redis has lost its master",
	RedisCluster:    "the Redis Cluster has no node for some keys",
	RedisDisk:       "Redis cannot save to its disk and takes no writes: look into its log",
	RedisReplicas:   "too few replicas of Redis have the write",
	RedisBusy:       "Redis is busy",
	RedisOther:      "Redis refused",
}

// RedisError is why Redis did not do what was asked. Nothing was acknowledged; what was asked for may have happened where the
// answer was lost.
type RedisError struct {
	Trouble RedisTrouble
	Err     error // nil where the advice says all
}

func (e *RedisError) Error() string {
	if e.Err == nil {
		return redisAdvice[e.Trouble]
	}
	return redisAdvice[e.Trouble] + ": " + e.Err.Error()
}

func (e *RedisError) Unwrap() error { return e.Err }

// uncertain says that the server may have carried out what was asked, or a part that does not count.
func (e *RedisError) uncertain() bool {
	return e.Trouble == RedisSlow || e.Trouble == RedisReplicas
}

var (
	errNotStarted = errors.New("the connection to Redis is not there yet")
	// errReset is the answer to claims that need to know what was delivered before (contract section 7, promise 5).
	errReset = fmt.Errorf("%w: Redis was emptied, and what was delivered before is forgotten: find out why, look at what was "+
		"sent, and run `worker dedup accept-reset`", consumer.ErrClaimRefused)
)

func errNoAnswer(limit time.Duration) error {
	return &RedisError{RedisSlow, fmt.Errorf("no answer within %v", limit)}
}

func errShort(n int64, want int) error {
	return &RedisError{RedisReplicas, fmt.Errorf("%d of %d (wait_replicas)", n, want)}
}

// scriptCode finds the code of an error that a script of an old server met, which stands within its text.
var scriptCode = regexp.MustCompile(`-(OOM|READONLY|MISCONF|MASTERDOWN|NOREPLICAS) `)

// judge puts an error of the client into its class.
func judge(err error) *RedisError {
	e := &RedisError{RedisOther, err}
	var answered redis.Error
	var dialled *net.OpError
	code := ""
	if m := scriptCode.FindStringSubmatch(err.Error()); m != nil {
		code = m[1]
	}
	has := func(prefix string) bool { return redis.HasErrorPrefix(err, prefix) || code == prefix }
	switch {
	case redis.IsAuthError(err) || has("NOAUTH") || has("WRONGPASS") || has("invalid password"):
		e.Trouble = RedisLogin
	case !errors.As(err, &answered): // not from the server
		e.Trouble = RedisSlow
		if errors.As(err, &dialled) && dialled.Op == "dial" || errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrClosed) {
			e.Trouble = RedisDown
		}
		if errors.Is(err, context.DeadlineExceeded) { // the caller's own context has not ended
			e.Err = errors.New("time-out")
		}
	case has("READONLY"):
		e.Trouble = RedisReadOnly
	case has("OOM"):
		e.Trouble = RedisFull
	case redis.IsPermissionError(err) || has("NOPERM"):
		e.Trouble = RedisPermission
	case has("LOADING"):
		e.Trouble = RedisLoading
	case has("MASTERDOWN"):
		e.Trouble = RedisMasterDown
	case has("CLUSTERDOWN"), has("TRYAGAIN"):
		e.Trouble = RedisCluster
	case has("MISCONF"):
		e.Trouble = RedisDisk
	case has("NOREPLICAS"):
		e.Trouble = RedisReplicas
	case has("BUSY "), redis.IsMaxClientsError(err):
		e.Trouble = RedisBusy
	}
	return e
}
