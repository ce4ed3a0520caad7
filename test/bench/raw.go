package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/toprelay/worker/internal/top"
)

// runRaw is what the worker is measured against: a loop that signs the same calls and makes them with net/http, with a
// tuned transport, and that does nothing else: no Kafka, no check, no ledger, no retry, no log.
func runRaw(ctx context.Context, out io.Writer, gateway string, concurrency int, duration time.Duration) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConns: concurrency, MaxIdleConnsPerHost: concurrency, MaxConnsPerHost: concurrency}}
	calls := make([]rawCall, 0, sampleEvents)
	for i := range sampleEvents {
		c, err := newRawCall(sample(i, i%sampleKeys))
		if err != nil {
			return err
		}
		calls = append(calls, c)
	}
	var made, failed atomic.Int64
	loop := func(ctx context.Context) {
		var wg sync.WaitGroup
		for g := range concurrency {
			wg.Go(func() {
				for i := g; ctx.Err() == nil; i += concurrency {
					switch err := calls[i%len(calls)].make(ctx, client, gateway); {
					case err == nil:
						made.Add(1)
					case ctx.Err() == nil:
						failed.Add(1)
					}
				}
			})
		}
		wg.Wait()
	}
	warm, cancel := context.WithTimeout(ctx, warmUp)
	loop(warm)
	cancel()
	made.Store(0)
	before, start := cpuSelf(), time.Now()
	run, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	loop(run)
	took, cpu := time.Since(start), cpuSelf()-before
	if failed.Load() > 0 {
		return fmt.Errorf("raw loop: %d calls failed", failed.Load())
	}
	return json.NewEncoder(out).Encode(rawResult{Calls: made.Load(), Seconds: took.Seconds(), CPUSeconds: cpu.Seconds()})
}

// rawResult is what the raw loop prints.
type rawResult struct {
	Calls      int64
	Seconds    float64
	CPUSeconds float64
}

func (r rawResult) rate() float64 { return float64(r.Calls) / r.Seconds }

// rawCall is one prepared call.
type rawCall struct {
	method string
	params []top.Param
	body   []byte
}

func (c rawCall) make(ctx context.Context, client *http.Client, gateway string) error {
	params := append(make([]top.Param, 0, len(c.params)+8), c.params...)
	params = append(params,
		top.Param{Name: "method", Value: c.method}, top.Param{Name: "app_key", Value: benchAppKey},
		top.Param{Name: "timestamp", Value: time.Now().In(china).Format(time.DateTime)}, top.Param{Name: "v", Value: "2.0"},
		top.Param{Name: "format", Value: "json"}, top.Param{Name: "sign_method", Value: "hmac-sha256"})
	params = append(params, top.Param{Name: "sign", Value: top.Sign(top.SignHMACSHA256, benchSecret, params, c.body)})
	form := make(url.Values, len(params))
	for _, p := range params {
		form.Set(p.Name, p.Value)
	}
	target, body, contentType := gateway+"/router/rest", []byte(form.Encode()), "application/x-www-form-urlencoded;charset=utf-8"
	if c.body != nil {
		target, body, contentType = gateway+"/router/qm?"+form.Encode(), c.body, "text/xml;charset=utf-8"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if !bytes.Contains(got, []byte("true")) {
		return errors.New("no success")
	}
	return nil
}

var china = time.FixedZone("GMT+8", 8*60*60)
