package check

import "testing"

func TestConfiguration(t *testing.T) {
	p := newPlace(t)
	want(t, look(t, p.load(), Configuration), "ok configuration 5 event types, group toprelay")
	want(t, look(t, p.load("top.timeout=1m", "ops.listen=0.0.0.0:80"), Configuration),
		"failed/configuration configuration --set top.timeout: … top.timeout (1m) is not below consumer.drain_timeout",
		"failed/configuration configuration --set ops.listen: ops.listen: other hosts could reach it")
	p.write("broken.schema.json", "{", 0o600)
	want(t, look(t, p.load("schemas_dir="+p.dir), Configuration, Sessions),
		"failed/configuration configuration --set schemas_dir: schemas_dir: … broken.schema.json: line 1",
		"skipped sessions see configuration")
}

func TestFiles(t *testing.T) {
	p := newPlace(t)
	want(t, look(t, p.load(), Files), "ok files 2 files with secrets, closed to others")

	// What is wrong with a file is said here, not among the keys.
	p.write("app-secret", "test-secret-not-real", 0o644)
	p.write("session", "", 0o600)
	cfg := p.load("kafka.sasl.mechanism=plain", "kafka.sasl.username=relay", "kafka.sasl.password_file=gone")
	want(t, look(t, cfg, Configuration, Files),
		"ok configuration valid",
		"failed/configuration files top.accounts.default.app_secret_file … mode 0644 lets others in: run chmod 600",
		"failed/configuration files top.accounts.default.session_file … empty",
		"failed/configuration files kafka.sasl.password_file … gone … no such file")
}

func TestTokens(t *testing.T) {
	p := newPlace(t)
	p.write("tokens", "prometheus 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n", 0o400)
	sets := []string{"ops.listen=0.0.0.0:8080", "ops.tokens_file=" + p.dir + "/tokens"}
	want(t, look(t, p.load(sets...), Configuration, Files), "ok configuration", "ok files 3 files")
	p.write("tokens", "prometheus token-not-real\n", 0o600)
	want(t, look(t, p.load(sets...), Files), "warning files ops.tokens_file … one token a line", "ok files")
	want(t, look(t, p.load(append(sets, "ops.protect_metrics=true")...), Files), "failed/configuration files ops.tokens_file", "ok files")
}

func TestSessions(t *testing.T) {
	p := newPlace(t)
	want(t, look(t, p.load(), Sessions), "ok sessions 1 account with a session")
	cfg := p.load()
	other := cfg.Top.Accounts["default"]
	other.SessionFile = ""
	cfg.Top.Accounts["other"] = other
	want(t, look(t, cfg, Sessions),
		"warning sessions account other has none … top.logisticsorder.status.v1, top.serviceorder.create.v1 would wait … top.accounts.other.session_file")
	// A type that the configuration itself speaks of is not a mere possibility.
	cfg.Methods["tmall.servicecenter.spserviceorder.create"] = cfg.Method("tmall.servicecenter.spserviceorder.create")
	want(t, look(t, cfg, Sessions), "failed/fault sessions account other has none")
	clear(cfg.Top.Accounts)
	want(t, look(t, cfg, Sessions), "skipped sessions no account")
}
