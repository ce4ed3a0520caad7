package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

// holding stands between a writer and its broker. The broker gets every produce request and writes the records, and the
// replies are held back until release.
type holding struct {
	cluster *kfake.Cluster
	came    chan int // records of each request
	free    chan struct{}
	release func()
	copying sync.WaitGroup
}

func newHolding(t *testing.T, requestTimeout time.Duration) (*holding, *Writer) {
	t.Helper()
	h := &holding{came: make(chan int, 1000), free: make(chan struct{})}
	h.release = sync.OnceFunc(func() { close(h.free) })
	var err error
	if h.cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "t")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.cluster.Close)
	c, err := NewClient(Config{Brokers: h.cluster.ListenAddrs(), RequestTimeout: requestTimeout, Dial: h.dial})
	if err != nil {
		t.Fatal(err)
	}
	w := c.NewWriter()
	t.Cleanup(func() {
		h.release()
		w.Close()
		c.Close()
		h.copying.Wait()
	})
	return h, w
}

func (h *holding) dial(ctx context.Context, network, address string) (net.Conn, error) {
	broker, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	client, ours := net.Pipe()
	held := make(chan struct{})
	end := func() {
		broker.Close()
		ours.Close()
	}
	h.copying.Go(func() {
		defer end()
		hold := sync.OnceFunc(func() { close(held) })
		for {
			var size [4]byte
			if _, err := io.ReadFull(ours, size[:]); err != nil {
				return
			}
			request := make([]byte, binary.BigEndian.Uint32(size[:]))
			if _, err := io.ReadFull(ours, request); err != nil {
				return
			}
			if n := recordsIn(request); n > 0 {
				hold()
				h.came <- n
			}
			if _, err := broker.Write(append(size[:], request...)); err != nil {
				return
			}
		}
	})
	h.copying.Go(func() {
		defer end()
		buffer := make([]byte, 64<<10)
		for {
			n, err := broker.Read(buffer)
			if err != nil {
				return
			}
			select {
			case <-held:
				<-h.free
			default:
			}
			if _, err := ours.Write(buffer[:n]); err != nil {
				return
			}
		}
	})
	return client, nil
}

// recordsIn counts the records of a produce request; other requests have none.
func recordsIn(request []byte) int {
	const header = 2 + 2 + 4 // before the client's id
	r := kmsg.NewPtrProduceRequest()
	if int16(binary.BigEndian.Uint16(request)) != r.Key() {
		return 0
	}
	r.SetVersion(int16(binary.BigEndian.Uint16(request[2:])))
	id := int(binary.BigEndian.Uint16(request[header:]))
	if err := r.ReadFrom(request[header+2+id:]); err != nil {
		return -1 << 20
	}
	return recordsOf(r)
}

func recordsOf(r *kmsg.ProduceRequest) int {
	n := 0
	for _, topic := range r.Topics {
		for _, p := range topic.Partitions {
			var b kmsg.RecordBatch
			if err := b.ReadFrom(p.Records); err == nil {
				n += int(b.NumRecords)
			}
		}
	}
	return n
}

// A broker that hangs is sent one record at a time, however many callers try again and again: what it holds back may all
// be in the log one day. kafka-go's Writer sent each record again each time.
func TestWriteToABrokerThatHangs(t *testing.T) {
	t.Parallel()
	const letters, tries, timeout = 20, 4, 300 * time.Millisecond
	h, w := newHolding(t, timeout)
	began := time.Now()
	var callers, failed sync.WaitGroup
	var acknowledged atomic.Int64
	write := func(i int) {
		for n := range tries + 100 {
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			err := w.Write(ctx, "t", 0, event.Record{Key: fmt.Append(nil, i), Value: []byte("letter")})
			cancel()
			if err == nil {
				acknowledged.Add(1)
				return
			}
			if n == tries-1 {
				failed.Done()
			}
		}
		t.Errorf("letter %d was never written", i)
	}
	failed.Add(letters)
	callers.Go(func() { write(0) })
	first := <-h.came
	for i := range letters - 1 {
		callers.Go(func() { write(1 + i) })
	}
	failed.Wait()
	held := time.Since(began)
	requests, records := 1, first
	for more := true; more; {
		select {
		case n := <-h.came:
			requests, records = requests+1, records+n
		default:
			more = false
		}
	}
	if records != requests {
		t.Errorf("%d requests hold %d records, want one each", requests, records)
	}
	if most := int(held/timeout) + 2; requests > most {
		t.Errorf("%d requests in %v, want at most %d", requests, held, most)
	}
	h.release()
	callers.Wait()
	if n := acknowledged.Load(); n != letters {
		t.Errorf("%d of %d letters were acknowledged", n, letters)
	}
	for len(h.came) > 0 {
		records += <-h.came
	}
	if end := endOf(t, w.c, consumer.TopicPartition{Topic: "t"}); end != int64(records) || records > letters+requests {
		t.Errorf("the log holds %d records, %d were sent, in %d requests while the broker hung", end, records, requests)
	}
}

// A caller that gives up while its record waits for its turn is answered at once, and the record is never sent. One whose
// record is under way learns what became of it.
func TestWriteIsGivenUp(t *testing.T) {
	t.Parallel()
	h, w := newHolding(t, 30*time.Second)
	first, giveUpFirst := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() { written <- w.Write(first, "t", 0, event.Record{Value: []byte("under way")}) }()
	if n := <-h.came; n != 1 {
		t.Fatalf("%d records", n)
	}
	giveUpFirst()
	second, giveUpSecond := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer giveUpSecond()
	out := []Outgoing{{Topic: "t", Partition: 0}, {Topic: "t", Partition: 0}}
	for i, err := range w.WriteAll(second, out) {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting record %d: %v", i, err)
		}
	}
	select {
	case err := <-written:
		t.Errorf("a record that is under way was given up: %v", err)
	default:
	}
	h.release()
	if err := <-written; err != nil {
		t.Errorf("the record that was under way: %v", err)
	}
	if err := w.Write(t.Context(), "t", 0, event.Record{}); err != nil {
		t.Error(err)
	}
	if n := <-h.came; n != 1 {
		t.Errorf("the next request holds %d records, want 1: what was given up is not sent", n)
	}
}

// A caller that has given up has its record tried no more, also after a failure that may pass.
func TestGivenUpIsNotRepeated(t *testing.T) {
	t.Parallel()
	h, w := newHolding(t, 30*time.Second)
	h.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Err: kerr.NotLeaderForPartition, Count: -1})
	ctx, giveUp := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() { written <- w.Write(ctx, "t", 0, event.Record{}) }()
	<-h.came
	giveUp()
	h.release()
	if err := <-written; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if len(h.came) != 0 {
		t.Errorf("%d more requests", len(h.came))
	}
}

// Close does not wait for a broker that hangs, and nothing is written after it.
func TestCloseOfAWriter(t *testing.T) {
	t.Parallel()
	h, w := newHolding(t, 30*time.Second)
	var callers sync.WaitGroup
	fails := func() {
		if err := w.Write(t.Context(), "t", 1, event.Record{}); err == nil {
			t.Error("a write succeeded")
		}
	}
	callers.Go(fails)
	<-h.came
	for range 5 {
		callers.Go(fails)
	}
	w.Close()
	callers.Wait()
	if err := w.Write(t.Context(), "t", 1, event.Record{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// Which failures are tried again at once: those after which the record is surely not in the log, or that a connection
// makes which was closed while nobody used it.
func TestRepeatable(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		kafka.NotLeaderForPartition:                      true,
		kafka.NotEnoughReplicas:                          true,
		fmt.Errorf("wrapped: %w", kafka.RequestTimedOut): false,
		kafka.NotEnoughReplicasAfterAppend:               false,
		kafka.TopicAuthorizationFailed:                   false,
		context.DeadlineExceeded:                         false,
		&net.OpError{Op: "read", Err: timeoutError{}}:    false,
		&net.OpError{Op: "dial", Err: errors.New("no")}:  true,
		errors.New("something else"):                     false,
	} {
		if got := repeatable(err); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}

type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// After a failure the requests grow again with each success.
func TestWriteGrowsAgain(t *testing.T) {
	t.Parallel()
	cluster, c := newFaulty(t, "t")
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Err: kerr.NotLeaderForPartition, Count: 1})
	var mu sync.Mutex
	var sizes []int
	cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		mu.Lock()
		sizes = append(sizes, recordsOf(r.(*kmsg.ProduceRequest)))
		mu.Unlock()
		return nil, nil, false
	})
	out := make([]Outgoing, 20)
	for i := range out {
		out[i] = Outgoing{Topic: "t", Partition: 0}
	}
	if errs := newWriter(t, c).WriteAll(t.Context(), out); errs != nil {
		t.Fatal(firstOf(errs))
	}
	mu.Lock()
	defer mu.Unlock()
	if got := fmt.Sprint(sizes); got != "[20 1 2 4 8 5]" {
		t.Errorf("requests of %s records", got)
	}
}

// TestNothingOvertakesAFailedRecord: what waits of a call that failed is not written, because it would come before what is
// published again.
func TestNothingOvertakesAFailedRecord(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	var requests atomic.Int32
	cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if requests.Add(1) > 1 {
			return nil, nil, false
		}
		request := r.(*kmsg.ProduceRequest)
		refusal := request.ResponseKind().(*kmsg.ProduceResponse)
		for _, rt := range request.Topics {
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic, topic.TopicID = rt.Topic, rt.TopicID
			for _, rp := range rt.Partitions {
				partition := kmsg.NewProduceResponseTopicPartition()
				partition.Partition, partition.ErrorCode = rp.Partition, kerr.RequestTimedOut.Code
				topic.Partitions = append(topic.Partitions, partition)
			}
			refusal.Topics = append(refusal.Topics, topic)
		}
		return refusal, nil, true
	})
	c, err := NewClient(Config{Brokers: cluster.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	w := c.NewWriter()
	t.Cleanup(w.Close)
	out := make([]Outgoing, 2*writeBatch+1)
	for i := range out {
		out[i] = Outgoing{Topic: "t", Record: event.Record{Key: []byte("order-1"), Value: fmt.Append(nil, i)}}
	}
	for i, err := range w.WriteAll(t.Context(), out) {
		if err == nil {
			t.Fatalf("record %d was written after one before it had failed", i)
		}
	}
	for _, err := range w.WriteAll(t.Context(), out[:1]) {
		if err != nil {
			t.Errorf("the next call: %v", err)
		}
	}
}
