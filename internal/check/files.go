package check

import (
	"context"
	"errors"
	"strings"

	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/ops"
	"github.com/toprelay/worker/internal/secret"
)

// configuration says whether the worker would take the configuration, but for its files.
func (r *run) configuration(context.Context) {
	if r.catalogueErr != nil {
		p := config.Problem{Place: r.Config.Source("schemas_dir"), Key: "schemas_dir", Message: r.catalogueErr.Error()}
		r.fail(BadConfiguration, p.String(), "correct the schema, or leave schemas_dir empty")
		return
	}
	_, others := r.problems()
	for _, p := range others {
		r.fail(BadConfiguration, p.String(), "")
	}
	if len(others) == 0 {
		r.ok("valid; %s, group %s", count(len(r.catalogue.Types()), "event type"), r.Config.Kafka.GroupID)
	}
}

// files says whether the files with secrets can be read, by the worker and by nobody else.
func (r *run) files(context.Context) {
	ofFiles, _ := r.problems()
	for _, p := range ofFiles {
		r.fail(BadConfiguration, p.String(), "")
	}
	if len(ofFiles) > 0 {
		return
	}
	paths := r.secretFiles()
	if r.tokens(); len(paths) > 0 {
		r.ok("%s with secrets, closed to others", count(len(paths), "file"))
	}
}

// tokens reads the file with tokens, which the listener needs as soon as it protects a page.
func (r *run) tokens() {
	path := r.Config.Ops.TokensFile
	if path == "" {
		return
	}
	f, err := secret.Open(path)
	if err == nil {
		_, err = ops.ParseTokens(f.Value())
	}
	switch {
	case err == nil:
	case r.Config.Ops.ProtectMetrics:
		r.fail(BadConfiguration, err.Error(), "write one token a line: a name, a blank, and the hex SHA-256 of the token")
	default:
		r.warn(err.Error(), "write one token a line: a name, a blank, and the hex SHA-256 of the token")
	}
}

// problems parts what is wrong with the configuration into what concerns a file with a secret, and all else.
func (r *run) problems() (ofFiles, others config.Problems) {
	if r.catalogueErr != nil {
		return nil, nil //nolint:nilerr // that error has a line of its own
	}
	var all config.Problems
	errors.As(r.Config.Validate(r.catalogue), &all)
	for _, p := range all {
		if strings.HasSuffix(p.Key, "_file") {
			ofFiles = append(ofFiles, p)
		} else {
			others = append(others, p)
		}
	}
	return ofFiles, others
}

// secretFiles lists the files with secrets that the configuration names.
func (r *run) secretFiles() []string {
	c := r.Config
	var paths []string
	for _, a := range c.Top.Accounts {
		paths = append(paths, a.AppSecretFile, a.SessionFile)
	}
	if c.Kafka.SASL != nil {
		paths = append(paths, c.Kafka.SASL.PasswordFile)
	}
	if c.Kafka.TLS != nil {
		paths = append(paths, c.Kafka.TLS.KeyFile)
	}
	paths = append(paths, c.Ops.TokensFile)
	var given []string
	for _, p := range paths {
		if p != "" {
			given = append(given, p)
		}
	}
	return given
}
