package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/secret"
	"github.com/toprelay/worker/internal/top"
)

// secretInterval is how often the files with secrets are looked at.
const secretInterval = time.Second

// secrets are the opened files with secrets, and the accounts that use them.
type secrets struct {
	accounts map[string]*top.Account
	sasl     *secret.File              // nil without SASL
	tokens   *secret.File              // nil without tokens
	redis    *secret.File              // nil without a password of Redis
	owners   map[*secret.File][]string // the accounts of a file
	files    []*secret.File
	log      *slog.Logger
}

func openSecrets(c *config.Config, log *slog.Logger) (*secrets, error) {
	s := &secrets{accounts: map[string]*top.Account{}, owners: map[*secret.File][]string{}, log: log}
	open := func(key, path, owner string) (*secret.File, error) {
		f, err := secret.Open(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		s.files = append(s.files, f)
		if owner != "" {
			s.owners[f] = append(s.owners[f], owner)
		}
		return f, nil
	}
	for name, account := range c.Top.Accounts {
		a := &top.Account{Name: name, AppKey: account.AppKey}
		f, err := open("top.accounts."+name+".app_secret_file", account.AppSecretFile, name)
		if err != nil {
			return nil, err
		}
		a.Secret = f
		if account.SessionFile != "" {
			f, err := open("top.accounts."+name+".session_file", account.SessionFile, name)
			if err != nil {
				return nil, err
			}
			a.Session = f
		}
		s.accounts[name] = a
	}
	var err error
	if c.Kafka.SASL != nil {
		if s.sasl, err = open("kafka.sasl.password_file", c.Kafka.SASL.PasswordFile, ""); err != nil {
			return nil, err
		}
	}
	if r := c.Dedup.Redis; c.Dedup.Store == "redis" && r != nil && r.PasswordFile != "" {
		if s.redis, err = open("dedup.redis.password_file", r.PasswordFile, ""); err != nil {
			return nil, err
		}
	}
	if c.Ops.TokensFile != "" {
		if s.tokens, err = open("ops.tokens_file", c.Ops.TokensFile, ""); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// watch looks at the files until the returned function is called. changed hears the accounts whose secret or session is
// another one.
func (s *secrets) watch(ctx context.Context, changed func(account string)) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		secret.Watch(ctx, secretInterval, s.files, func(f *secret.File) {
			s.log.Info("a secret file was read again", "file", f.Path())
			for _, account := range s.owners[f] {
				changed(account)
			}
		}, func(f *secret.File, err error) {
			s.log.Warn("a secret file cannot be read again; the old value stays in use", "file", f.Path(), "error", err.Error())
		})
	}()
	return func() {
		cancel()
		<-done
	}
}
