package dedup

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// RedisAdmin looks at a ledger in Redis from outside, beside the workers. It holds no claims.
type RedisAdmin struct {
	store  *Redis
	server RedisServer
}

// DialRedis connects to a ledger.
func DialRedis(ctx context.Context, o RedisOptions) (_ *RedisAdmin, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	a := &RedisAdmin{store: &Redis{opts: Options{Redis: o}, scripts: theScripts, look: make(chan struct{}, 1)}}
	a.store.connect(false)
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if a.server, err = a.store.inspect(ctx); err != nil {
		return nil, err
	}
	if a.server.Mode == "cluster" && !a.store.cluster.Load() {
		if err := o.fitsCluster(); err != nil {
			return nil, err
		}
		a.store.connect(true)
		if a.server, err = a.store.inspect(ctx); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// Close ends the connections.
func (a *RedisAdmin) Close() error { return a.store.server().Close() }

// Server is what the server said when it was dialled.
func (a *RedisAdmin) Server() RedisServer { return a.server }

// Emptied says that Redis was emptied while a worker ran, and that nobody has accepted it.
func (a *RedisAdmin) Emptied(ctx context.Context) (bool, error) {
	var v string
	err := a.store.directly(ctx, func(ctx context.Context, c redis.UniversalClient) (err error) {
		v, err = c.Get(ctx, a.store.epochKey()).Result()
		return err
	})
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return strings.HasSuffix(v, " "+epochReset), err
}

// AcceptReset takes the loss of an emptied ledger: every worker goes on within a second or two. It says false where there
// was none.
func (a *RedisAdmin) AcceptReset(ctx context.Context) (bool, error) { return a.store.AcceptReset(ctx) }

const (
	// statsPage is how many keys one look at them asks for.
	statsPage = 1000
	// statsHead is how much of a row is read for statistics: all before the history.
	statsHead = 512
)

// Stats counts the entries. It reads all of them, a part at a time, and holds up nobody.
func (a *RedisAdmin) Stats(ctx context.Context) ([]Count, error) {
	t := newTally()
	err := eachMaster(ctx, a.store.server(), func(ctx context.Context, c redis.Cmdable) error {
		for cursor := uint64(0); ; {
			keys, next, err := c.Scan(ctx, cursor, globbed(a.store.opts.Redis.Prefix)+"*", statsPage).Result()
			if err != nil {
				return judge(err)
			}
			if err := a.count(ctx, c, keys, t); err != nil {
				return err
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	})
	return t.counts(), err
}

// count reads the heads of some rows. What is gone meanwhile, or no row, is not counted.
func (a *RedisAdmin) count(ctx context.Context, c redis.Cmdable, keys []string, t *tally) error {
	p := c.Pipeline()
	var heads []*redis.StringCmd
	for _, k := range keys {
		if len(k) == len(a.store.opts.Redis.Prefix)+redisNameLength {
			heads = append(heads, p.GetRange(ctx, k, 0, statsHead-1))
		}
	}
	if len(heads) == 0 {
		return nil
	}
	if _, err := p.Exec(ctx); err != nil && len(heads) > 0 && heads[len(heads)-1].Err() != nil {
		return judge(err)
	}
	for _, h := range heads {
		if s, method, account, ok := parseHead(h.Val()); ok {
			t.add(s, method, account, 1)
		}
	}
	return nil
}

// globbed is a text as a pattern that only it matches.
func globbed(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`).Replace(s)
}
