package dedup

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	defaultRedisPrefix  = "toprelay:"
	defaultRedisTimeout = 2 * time.Second
	// redisQueue bounds how many operations wait to be sent; a caller beyond them waits with its context.
	redisQueue = 4096
	// redisSenders is how many batches are on their way at once: while the server works at one, the next is written.
	redisSenders = 2
)

// RedisOptions say where the store of several workers is.
type RedisOptions struct {
	// Addresses are host:port. One is a server, or one node of a Cluster; several are nodes of a Cluster; with
	// SentinelMaster they are sentinels.
	Addresses []string
	// SentinelMaster is the name of the master that the sentinels watch. Empty: no sentinels.
	SentinelMaster string
	// DB is the number of the database; a Cluster has only 0.
	DB int
	// Username and Password log in. Password is asked at every new connection, so that a new one is used when it changed.
	// nil: none.
	Username string
	Password func() string
	// TLS encrypts the connections. nil: they are not.
	TLS *tls.Config
	// Prefix is how all keys begin. Empty: "toprelay:".
	Prefix string
	// WaitReplicas is how many replicas must have a write before it counts. 0: the server's own answer is enough.
	WaitReplicas int
	// Timeout is how long each call may take. 0: 2 s.
	Timeout time.Duration
}

// Redis is the store of several workers that share a consumer group. Each transition is one script, which runs on the server
// as a whole and touches the key of one id only, so that a Cluster can hold the ids too. Deadlines are by the server's clock.
//
//   - senders put all that waits into one pipeline and answer when it is done;
//   - the watch looks each second whether the store is there and still what it was (see epoch), and gives back claims whose
//     answer was lost.
type Redis struct {
	*metrics
	opts   Options
	owner  string        // this process
	tokens atomic.Uint64 // the last token given

	client  atomic.Pointer[redis.UniversalClient]
	cluster atomic.Bool
	scripts *scripts
	queue   chan *rop
	clock   serverClock
	epoch   epoch
	lost    lostClaims
	figures figures

	started atomic.Bool
	trouble atomic.Pointer[error] // why the last batch or look failed
	look    chan struct{}         // asks the watch to look at once
	closing chan struct{}
	ended   chan struct{} // nothing is carried out any more
	once    sync.Once
}

// NewRedis makes the store. It does not connect: Start does, and until then every call fails.
func NewRedis(o Options) (*Redis, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if o.Redis, err = o.Redis.withDefaults(); err != nil {
		return nil, err
	}
	s := &Redis{
		opts: o, owner: fmt.Sprintf("%016x", rand.Uint64()), scripts: theScripts,
		queue: make(chan *rop, redisQueue), look: make(chan struct{}, 1),
		closing: make(chan struct{}), ended: make(chan struct{}),
	}
	s.tokens.Store(rand.Uint64() >> 1)
	s.connect(false)
	if s.metrics, err = newMetrics(o.Registerer, s.figures.entries.load, s.figures.bytes.load); err != nil {
		return nil, errors.Join(err, s.server().Close())
	}
	return s, nil
}

func (o RedisOptions) withDefaults() (RedisOptions, error) {
	if len(o.Addresses) == 0 {
		return o, errors.New("dedup: no address of Redis: set dedup.redis.addresses")
	}
	if o.WaitReplicas < 0 || o.Timeout < 0 {
		return o, errors.New("dedup: wait_replicas and the time-out of Redis must not be negative")
	}
	if len(o.Addresses) > 1 && o.SentinelMaster == "" {
		if err := o.fitsCluster(); err != nil {
			return o, err
		}
	}
	if o.Prefix == "" {
		o.Prefix = defaultRedisPrefix
	}
	if o.Timeout == 0 {
		o.Timeout = defaultRedisTimeout
	}
	return o, nil
}

// fitsCluster refuses what a Cluster does not have.
func (o RedisOptions) fitsCluster() error {
	switch {
	case o.DB != 0:
		return errors.New("dedup.redis.db: a Cluster has database 0 only")
	case o.WaitReplicas > 0:
		return errors.New("dedup.redis.wait_replicas: not with a Cluster, where each write has replicas of its own: use min-replicas-to-write of the servers")
	}
	return nil
}

// connect makes the client. It dials when it is first used.
func (s *Redis) connect(cluster bool) {
	client := dialRedis(s.opts.Redis, cluster, s.lookNow)
	s.cluster.Store(cluster || len(s.opts.Redis.Addresses) > 1 && s.opts.Redis.SentinelMaster == "")
	if old := s.client.Swap(&client); old != nil {
		_ = (*old).Close()
	}
}

func (s *Redis) server() redis.UniversalClient { return *s.client.Load() }

// Healthy is nil, or why the ledger cannot be used now.
func (s *Redis) Healthy() error {
	if err := s.usable(); err != nil {
		return err
	}
	if trouble := s.trouble.Load(); trouble != nil {
		return *trouble
	}
	return nil
}

func (s *Redis) usable() error {
	select {
	case <-s.closing:
		return ErrClosed
	default:
	}
	if !s.started.Load() {
		return errNotStarted
	}
	return nil
}

// answered takes note of how the server answered last.
func (s *Redis) answered(err error) {
	switch {
	case err == nil:
		s.trouble.Store(nil)
	case s.trouble.Swap(&err) == nil:
		s.lookNow()
	}
}

// lookNow makes the watch look at once.
func (s *Redis) lookNow() {
	select {
	case s.look <- struct{}{}:
	default:
	}
}

// Close carries out what is queued and gives back what it can, for at most Options.CloseTimeout. Every later call fails with
// ErrClosed.
func (s *Redis) Close() (err error) {
	s.once.Do(func() {
		s.unregister()
		close(s.closing)
		if s.started.Load() {
			bound := time.NewTimer(s.opts.CloseTimeout)
			defer bound.Stop()
			select {
			case <-s.ended:
			case <-bound.C:
				err = fmt.Errorf("close the ledger: Redis did not answer within %v", s.opts.CloseTimeout)
			}
		}
		err = errors.Join(err, s.server().Close())
	})
	return err
}

// sweep has nothing to do: the server forgets by itself what is past the retention.
func (s *Redis) sweep(context.Context) error { return nil }
