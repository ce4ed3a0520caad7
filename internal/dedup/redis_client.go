package dedup

import (
	"context"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// The client's own log would go to stderr beside that of the worker; all that it says comes back as an error too.
func init() { redis.SetLogger(silent{}) }

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// dialRedis makes the client of a server, of a master that sentinels watch, or of a Cluster. It tries nothing again by itself:
// whether a call may have run decides what may be tried again, and only the caller knows. connected is called at every new
// connection.
func dialRedis(o RedisOptions, cluster bool, connected func()) redis.UniversalClient {
	u := &redis.UniversalOptions{
		Addrs: o.Addresses, MasterName: o.SentinelMaster, DB: o.DB, IsClusterMode: cluster, ClientName: "toprelay",
		MaxRetries: -1, DialerRetries: 1, DialTimeout: o.Timeout, ReadTimeout: o.Timeout, WriteTimeout: o.Timeout,
		PoolTimeout: o.Timeout, ContextTimeoutEnabled: true,
		PoolSize:        redisSenders + 4,
		DisableIdentity: true,
		TLSConfig:       o.TLS,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
		OnConnect: func(context.Context, *redis.Conn) error {
			connected()
			return nil
		},
	}
	if o.Password != nil {
		u.CredentialsProvider = func() (username, password string) { return o.Username, o.Password() }
	}
	return redis.NewUniversalClient(u)
}
