package dedup

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/toprelay/worker/internal/consumer"
)

// What was found on two cores of an AMD EPYC that other work shared, fsync 0.2 ms, 300,000 ids and more in the file, in µs
// of CPU of all threads (go test -run '^$' -bench . -benchtime 100000x):
//
//	callers                        1     64    256   1024
//	claim and release             15      9      7      8
//	claim and delivered          183     36     34     35    a lone commit pays for its fsync alone
//	the same, not repeatable     272     59     53     52
//	duplicate                     16      9      8      7
//
// Redis 7.0 on the same machine, on another day with as much other work, at 256 callers: claim and delivered 18,600 a second
// without a file, 23,400 with one that is synced each second, 7,300 with one that is synced for each answer, where SQLite made
// 18,400; 18 to 25 µs of CPU of the worker, as much again of the server.
//
// A duplicate beside 2,000 events a second waits 73 µs at the 99th percentile, and no longer where a commit takes 5 ms.
// Of a cycle 40 % is in system calls: SQLite writes a page and its header for almost every row, because keys are random,
// and the reader reads its pages anew after every commit. Page size, size of the log and mmap for the reader were
// tried and change less than the noise of the machine.

// benchRows is how many ids a store holds before it is measured.
const benchRows = 300_000

var benchCallers = []int{1, 64, 256, 1024}

// BenchmarkClaim is a claim of a new id of a repeatable method and its release: one lookup, no write.
func BenchmarkClaim(b *testing.B) {
	benchmarkStores(b, func(ctx context.Context, s store, i int) error {
		r := benchRequest(benchRows + i)
		c, err := s.Claim(ctx, r)
		if err != nil {
			return err
		}
		return s.Release(ctx, r.Key, c.Token)
	})
}

// BenchmarkCycle is what every event of a repeatable method costs: claim and delivered.
func BenchmarkCycle(b *testing.B) {
	benchmarkStores(b, func(ctx context.Context, s store, i int) error { return benchCycle(ctx, s, benchRequest(benchRows+i)) })
}

// BenchmarkCycleOnce is the same for a method that is not repeatable: its claim is durable before the call.
func BenchmarkCycleOnce(b *testing.B) {
	benchmarkStores(b, func(ctx context.Context, s store, i int) error {
		r := benchRequest(benchRows + i)
		r.Repeatable = false
		return benchCycle(ctx, s, r)
	})
}

// BenchmarkDuplicate is the claim of an id that was delivered.
func BenchmarkDuplicate(b *testing.B) {
	benchmarkStores(b, func(ctx context.Context, s store, i int) error {
		c, err := s.Claim(ctx, benchRequest(i*7919%benchRows))
		if err == nil && c.Answer != consumer.AnswerDelivered {
			err = fmt.Errorf("answer %d", c.Answer)
		}
		return err
	})
}

// BenchmarkDuplicateBesideTraffic is how long one caller waits for the answer to a duplicate while 64 others settle 2,000
// events a second, with the disk as it is and with one whose every commit takes 5 ms more.
func BenchmarkDuplicateBesideTraffic(b *testing.B) {
	for _, slow := range []time.Duration{0, 5 * time.Millisecond} {
		b.Run(fmt.Sprintf("commit=+%v", slow), func(b *testing.B) {
			var delay atomic.Int64
			s := benchStore(b, "sqlite", func(step string) error {
				if step == "commit" {
					time.Sleep(time.Duration(delay.Load()))
				}
				return nil
			})
			delay.Store(int64(slow))
			ctx, stop := context.WithCancel(b.Context())
			var traffic sync.WaitGroup
			for n := range 64 {
				traffic.Go(func() {
					tick := time.NewTicker(32 * time.Millisecond)
					defer tick.Stop()
					for i := benchRows + n; ; i += 64 {
						select {
						case <-tick.C:
						case <-ctx.Done():
							return
						}
						if err := benchCycle(b.Context(), s, benchRequest(i)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			measure(b, 1, func(i int) error {
				c, err := s.Claim(b.Context(), benchRequest(i*7919%benchRows))
				if err == nil && c.Answer != consumer.AnswerDelivered {
					err = fmt.Errorf("answer %d", c.Answer)
				}
				return err
			})
			stop()
			traffic.Wait()
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func benchCycle(ctx context.Context, s store, r consumer.ClaimRequest) error {
	c, err := s.Claim(ctx, r)
	if err != nil {
		return err
	}
	if c.Answer != consumer.AnswerMine {
		return fmt.Errorf("answer %d", c.Answer)
	}
	return s.Delivered(ctx, r.Key, c.Token, r.Content, benchReply)
}

// benchReply is as long as what the worker keeps of a success without fields. Each byte more costs 0.08 µs.
var benchReply = []byte("of whom and what")

func benchRequest(i int) consumer.ClaimRequest {
	return consumer.ClaimRequest{
		Key:        consumer.LedgerKey{Method: "taobao.logistics.provider.work.order.sync", Account: "default", ID: fmt.Sprintf("id-%016d", i)},
		Content:    consumer.Content{Version: 1, Hash: [32]byte{byte(i), byte(i >> 8)}},
		Lease:      20 * time.Second,
		Repeatable: true,
	}
}

// benched are the stores that are measured; with the build tag redis a server is one of them.
var benched = []string{"sqlite", "memory"}

// benchmarkStores runs do on the stores with each number of callers. ids of runs differ, because rows stay.
func benchmarkStores(b *testing.B, do func(context.Context, store, int) error) {
	for _, kind := range benched {
		s := benchStore(b, kind, nil)
		offset := 0
		for _, callers := range benchCallers {
			b.Run(fmt.Sprintf("%s/callers=%d", kind, callers), func(b *testing.B) {
				b.ReportAllocs()
				base := offset
				offset += b.N
				measure(b, callers, func(i int) error { return do(b.Context(), s, base+i) })
			})
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// redisOfBench is the server of a store that needs one.
var redisOfBench func(b *testing.B, kind string) RedisOptions

func benchStore(b *testing.B, kind string, fault func(step string) error) store {
	b.Helper()
	o := Options{Path: filepath.Join(b.TempDir(), "ledger.db"), Registerer: prometheus.NewRegistry(), seams: seams{fault: fault}}
	var s store
	switch kind {
	case "memory":
		s = NewMemory(Options{})
	case "sqlite":
		var err error
		if s, err = Open(b.Context(), o); err != nil {
			b.Fatal(err)
		}
	default:
		s = openRedis(b, redisOfBench(b, kind), nil, Options{Registerer: prometheus.NewRegistry()})
	}
	if err := callers(256, benchRows, func(i int) error { return benchCycle(b.Context(), s, benchRequest(i)) }); err != nil {
		b.Fatal(err)
	}
	return s
}

// measure runs b.N operations by n callers and reports the CPU time of one, of all threads, and the slowest percent.
func measure(b *testing.B, n int, do func(i int) error) {
	took := make([]time.Duration, b.N)
	before := cpuTime()
	b.ResetTimer()
	err := callers(n, b.N, func(i int) error {
		start := time.Now()
		err := do(i)
		took[i] = time.Since(start)
		return err
	})
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
	slices.Sort(took)
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}

// callers runs do(0) … do(total-1) with n goroutines at once.
func callers(n, total int, do func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(total); i = next.Add(1) - 1 {
				if err := do(int(i)); err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
