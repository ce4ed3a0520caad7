package dedup

import (
	"context"
	"reflect"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/toprelay/worker/internal/consumer"
)

// TestStats counts what a store has while it is in use.
func TestStats(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) (store, func(context.Context) ([]Count, error)){
		"sqlite": func(t *testing.T) (store, func(context.Context) ([]Count, error)) {
			path := ledgerPath(t)
			return openAt(t, path, Options{}), func(ctx context.Context) ([]Count, error) { return SQLiteStats(ctx, path) }
		},
		"redis": func(t *testing.T) (store, func(context.Context) ([]Count, error)) {
			m := miniredis.RunT(t)
			must(t, m.Set("somebody's", "1 3 d 0 0 0 0 0 -\nx y\n\n"))
			must(t, m.Set("toprelayX"+redisKey("", keyOf(idOf("a"))), "1 3 d 0 0 0 0 0 -\nx y\n\n"))
			at := RedisOptions{Addresses: []string{m.Addr()}, Prefix: "to*relay:"}
			admin, err := DialRedis(t.Context(), at)
			must(t, err)
			t.Cleanup(func() { must(t, admin.Close()) })
			return openRedis(t, at, nil, Options{}), admin.Stats
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, stats := open(t)
			if got, err := stats(t.Context()); len(got) != 0 || err != nil {
				t.Errorf("an empty store: %+v, %v", got, err)
			}
			must(t, s.PutState(t.Context(), "gate", []byte("1 3 d 0 0 0 0 0 -\nx y\n\n")))
			for _, id := range []string{"a", "b", "c"} {
				deliver(t, s, id)
			}
			c := mustClaim(t, s, once("unknown"), consumer.AnswerMine)
			must(t, s.Unknown(t.Context(), idOf("unknown"), c.Token, contentNo(1), someHistory(1)))
			c = mustClaim(t, s, once("failed"), consumer.AnswerMine)
			must(t, s.Failed(t.Context(), idOf("failed"), c.Token, someHistory(1)))
			mustClaim(t, s, once("held"), consumer.AnswerMine)
			r := once("a")
			r.Key.Account = "other"
			mustClaim(t, s, r, consumer.AnswerMine)
			must(t, s.PutState(t.Context(), "x", nil)) // everything before it is durable
			const method = "taobao.test.call"
			want := []Count{
				{method, "default", "claimed", 1}, {method, "default", "delivered", 3}, {method, "default", "released", 1},
				{method, "default", "unknown", 1}, {method, "other", "claimed", 1},
			}
			if got, err := stats(t.Context()); !reflect.DeepEqual(got, want) || err != nil {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestStatsOfNoLedger(t *testing.T) {
	if _, err := SQLiteStats(t.Context(), ledgerPath(t)); err == nil {
		t.Error("a file that is not there: no error")
	}
	if _, err := DialRedis(t.Context(), RedisOptions{Addresses: []string{"127.0.0.1:1"}}); troubleOf(err) != RedisDown {
		t.Errorf("%v, want RedisDown", err)
	}
	for _, v := range []string{"", "1 3", "2 3 d 0 0 0 0 0 -\nx y\n", "1 9 d 0 0 0 0 0 -\nx y\n", "1 33 d 0 0 0 0 0 -\nx y\n"} {
		if s, method, account, ok := parseHead(v); ok {
			t.Errorf("%q was read as %d, %q, %q", v, s, method, account)
		}
	}
}
