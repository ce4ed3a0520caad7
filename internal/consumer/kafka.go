package consumer

import (
	"errors"
	"strings"
	"sync"
	"time"
)

// Why Kafka cannot be asked, whatever the question was. Errors of a Source are one of them where they concern all its
// partitions alike.
var (
	ErrAway    = errors.New("no answer from Kafka")
	ErrRefused = errors.New("connection to Kafka refused") // a login or a certificate
)

// kafkaPatience is how long Kafka may be away without a word: after a restart of a broker each idle connection fails once.
const kafkaPatience = time.Second

// kafkaTrouble says what is wrong with Kafka. That it cannot be asked is one trouble of the worker, however many partitions
// there are; what is wrong with one request alone is a trouble of that request.
type kafkaTrouble struct {
	trouble *trouble

	mu     sync.Mutex
	silent map[string]bool // the requests that got no answer last
}

// Requests, as kinds of trouble. That of a partition's fetch is partition.trouble(requestFetch).
const (
	requestFetch  = "fetch"
	requestCommit = "commit"
	requestJoin   = "join"
)

func newKafkaTrouble(t *trouble) *kafkaTrouble {
	return &kafkaTrouble{trouble: t, silent: map[string]bool{}}
}

// failed notes the error of a request; message and attrs are for one that concerns the request alone.
func (k *kafkaTrouble) failed(request, message string, err error, attrs ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	away := "Kafka does not answer; waiting for it"
	switch {
	case errors.Is(err, ErrRefused):
		away = "the connection to Kafka is refused; waiting for it"
	case !errors.Is(err, ErrAway):
		k.answered(request)
		k.trouble.report(request, message, err, attrs...)
		return
	}
	k.silent[request] = true
	attrs = nil
	if n := k.partitions(); n > 0 {
		attrs = append(attrs, "partitions", n)
	}
	k.trouble.suspect("kafka", kafkaPatience, away, err, attrs...)
}

// worked notes a success of a request; message and attrs are for the end of what concerned the request alone.
func (k *kafkaTrouble) worked(request, message string, attrs ...any) {
	if k.trouble.quiet() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answered(request)
	k.trouble.over(request, message, attrs...)
}

// answered notes that Kafka was there for a request. It is well when all requests that got no answer have got one.
func (k *kafkaTrouble) answered(request string) {
	if delete(k.silent, request); len(k.silent) == 0 {
		k.trouble.over("kafka", "Kafka answers again")
	}
}

// forget drops a request that is made no more. Whether Kafka is there is for others to tell.
func (k *kafkaTrouble) forget(request string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.silent, request)
}

// partitions counts those that cannot be fetched.
func (k *kafkaTrouble) partitions() int {
	n := 0
	for request := range k.silent {
		if strings.HasPrefix(request, requestFetch+" ") {
			n++
		}
	}
	return n
}
