package dedup

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

func (s *Redis) stateKey(name string) string { return s.opts.Redis.Prefix + "state:" + name }

// PutState remembers value under name. All workers share it: the last one to write has the say.
func (s *Redis) PutState(ctx context.Context, name string, value []byte) error {
	return stateError("put", name, s.state(ctx, func(ctx context.Context, c redis.UniversalClient) error {
		return c.Set(ctx, s.stateKey(name), value, 0).Err()
	}))
}

// GetState gives back what was put under name; false where nothing was.
func (s *Redis) GetState(ctx context.Context, name string) (value []byte, ok bool, err error) {
	err = s.state(ctx, func(ctx context.Context, c redis.UniversalClient) (err error) {
		value, err = c.Get(ctx, s.stateKey(name)).Bytes()
		return err
	})
	switch {
	case errors.Is(err, redis.Nil):
		return nil, false, nil
	case err != nil:
		return nil, false, stateError("get", name, err)
	}
	return value, true, nil
}

// DeleteState forgets what was put under name.
func (s *Redis) DeleteState(ctx context.Context, name string) error {
	return stateError("delete", name, s.state(ctx, func(ctx context.Context, c redis.UniversalClient) error {
		return c.Del(ctx, s.stateKey(name)).Err()
	}))
}

func (s *Redis) state(ctx context.Context, ask func(context.Context, redis.UniversalClient) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	return s.directly(ctx, ask)
}
