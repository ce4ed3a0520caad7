package app

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
	"github.com/toprelay/worker/schemas"
)

// gateOptions are the gate's part of the configuration.
func gateOptions(c *config.Config, cat *schemas.Catalogue, log *slog.Logger, reg prometheus.Registerer) retry.Options {
	o := retry.Options{
		Concurrency: c.Consumer.Concurrency, Methods: map[string]retry.MethodOptions{}, Accounts: map[string]string{},
		Rate: rate(c.Top.RateLimit),
		Breaker: retry.BreakerOptions{
			FailureRatio: c.Breaker.FailureRatio, MinRequests: c.Breaker.MinRequests, Window: c.Breaker.Window,
			ConsecutiveFailures: c.Breaker.ConsecutiveFailures, OpenFor: c.Breaker.OpenFor,
		},
		Logger: log, Registerer: reg,
	}
	for name, account := range c.Top.Accounts {
		o.Accounts[name] = account.AppKey
	}
	for _, t := range cat.Types() {
		m := c.Method(t.Method)
		limit := rate(m.RateLimit)
		o.Methods[t.Method] = retry.MethodOptions{Concurrency: m.Concurrency, Rate: &limit, Repeatable: t.Repeatable, Sessionless: !t.Session || t.Encoding == schemas.EncodingQimenXML}
	}
	return o
}

func rate(r config.RateLimit) retry.Rate {
	return retry.Rate{PerSecond: r.PerSecond, Burst: r.Burst, PerDay: int(r.PerDay)}
}

// callerOptions are the client's part of the configuration.
func callerOptions(c *config.Config) top.Options {
	o := top.Options{
		Gateway: c.Top.Gateway, QimenGateway: c.Qimen.Outbound.Gateway, TargetAppKey: c.Qimen.Outbound.TargetAppKey,
		CustomerID: c.Qimen.Outbound.CustomerID, SignMethod: top.SignMethod(c.Top.SignMethod), Timeout: c.Top.Timeout,
		Concurrency: c.Consumer.Concurrency, Methods: map[string]top.MethodOptions{},
	}
	for name := range c.Methods {
		m := c.Method(name)
		o.Methods[name] = top.MethodOptions{
			Timeout: m.Timeout, SignMethod: top.SignMethod(m.SignMethod),
			TransientCodes: m.TransientCodes, DuplicateCodes: m.DuplicateCodes,
		}
	}
	return o
}

// workerOptions are the consumer's part of the configuration.
func workerOptions(c *config.Config) consumer.Options {
	o := consumer.Options{
		Concurrency: c.Consumer.Concurrency, MaxBufferedBytes: int(c.Consumer.MaxBufferedBytes),
		MaxUnsettled: c.Consumer.MaxUnsettled, MaxSpan: c.Consumer.MaxSpan, DrainTimeout: c.Consumer.DrainTimeout,
		DryRun: c.Top.DryRun,
		Policy: func(method string) retry.Policy {
			r := c.Method(method).Retry
			return retry.Policy{
				InitialInterval: r.InitialInterval, Multiplier: r.Multiplier, RandomizationFactor: r.RandomizationFactor,
				MaxInterval: r.MaxInterval, MaxAttempts: r.MaxAttempts, GiveUpAfter: r.GiveUpAfter,
			}
		},
		Timeout:       func(method string) time.Duration { return c.Method(method).Timeout },
		UnknownFields: map[string]schemas.UnknownFields{},
	}
	for name := range c.Types {
		o.UnknownFields[name] = schemas.UnknownFields(c.Type(name).UnknownFields)
	}
	return o
}

// groupConfig is the consumer group's part of the configuration.
func (a *App) groupConfig() broker.SourceConfig {
	k := a.config.Kafka
	return broker.SourceConfig{
		Group: k.GroupID, Topics: a.topics(), StartOffset: k.StartOffset, SessionTimeout: k.SessionTimeout,
		HeartbeatInterval: k.HeartbeatInterval, RebalanceTimeout: k.RebalanceTimeout, Log: a.log,
		OneHost: a.config.Dedup.Store == "sqlite",
	}
}
