package config

import "testing"

func TestProblemsOfVariablesAndFlags(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  []string
		sets []string
		want []string
	}{
		{"unknown variables", []string{
			"TOPRELAY_KAFKA__BROKER=a:1", "TOPRELAY_KAFAK__BROKERS=a:1", "TOPRELAY_TOP__ACCOUNTS__DEFAULT__APPKEY=1", "TOPRELAY_SCHEMA_DIR=/x",
			"TOPRELAY_ZZZZ__Y=1", "TOPRELAY_KAFKA__GROUP_ID__X=1", "TOPRELAY_TYPES__TOP_WORKORDER_SYNC_V1__UNKNOWN=drop",
		}, nil, []string{
			"TOPRELAY_KAFKA__BROKER: unknown key; did you mean TOPRELAY_KAFKA__BROKERS?",
			"TOPRELAY_KAFAK__BROKERS: unknown key; did you mean TOPRELAY_KAFKA?",
			"TOPRELAY_TOP__ACCOUNTS__DEFAULT__APPKEY: unknown key; did you mean TOPRELAY_TOP__ACCOUNTS__DEFAULT__APP_KEY?",
			"TOPRELAY_TOP__ACCOUNTS__DEFAULT__APPKEY: top.accounts.default.app_key: the key is missing...",
			"TOPRELAY_TOP__ACCOUNTS__DEFAULT__APPKEY: top.accounts.default.app_secret_file: the key is missing...",
			"TOPRELAY_SCHEMA_DIR: unknown key; did you mean TOPRELAY_SCHEMAS_DIR?",
			"TOPRELAY_ZZZZ__Y: unknown key",
			"TOPRELAY_KAFKA__GROUP_ID__X: kafka.group_id: unknown key: TOPRELAY_KAFKA__GROUP_ID has no keys below it",
			"TOPRELAY_TYPES__TOP_WORKORDER_SYNC_V1__UNKNOWN: unknown key; did you mean TOPRELAY_TYPES__TOP_WORKORDER_SYNC_V1__UNKNOWN_FIELDS?",
		}},
		{"variables of a Kubernetes service", []string{
			"TOPRELAY_PORT=tcp://10.0.0.1:80", "TOPRELAY_SERVICE_HOST=10.0.0.1", "TOPRELAY_PORT_8080_TCP_ADDR=10.0.0.1", "TOPRELAYX=1", "NONSENSE",
		}, nil, nil},
		{"values", []string{
			"TOPRELAY_KAFKA__TLS__X=1", "TOPRELAY_RETRY__MAX_ATTEMPTS=0", "TOPRELAY_TOP__DRY_RUN=yes", "TOPRELAY_TOP__TIMEOUT=", "TOPRELAY_KAFKA__BROKERS=a:1,,b:1",
			"TOPRELAY_KAFKA__TOPICS=", "TOPRELAY_LOG__LEVEL=warning", "TOPRELAY_TOP__RATE_LIMIT__PER_SECOND=NaN", "TOPRELAY_TOP__RATE_LIMIT=1",
		}, nil, []string{
			"TOPRELAY_KAFKA__TLS__X: unknown key",
			"TOPRELAY_RETRY__MAX_ATTEMPTS: retry.max_attempts: the value is below the least one, 1",
			`TOPRELAY_TOP__DRY_RUN: top.dry_run: "yes" is neither true nor false`,
			`TOPRELAY_TOP__TIMEOUT: top.timeout: "" is no duration...`,
			"TOPRELAY_KAFKA__BROKERS: kafka.brokers: an element is empty",
			"TOPRELAY_KAFKA__TOPICS: kafka.topics: the list is empty; give at least one element",
			`TOPRELAY_LOG__LEVEL: log.level: "warning" is not among debug, info, warn, error; did you mean warn?`,
			`TOPRELAY_TOP__RATE_LIMIT__PER_SECOND: top.rate_limit.per_second: "NaN" is no number`,
			"TOPRELAY_TOP__RATE_LIMIT: top.rate_limit: is a section and takes no single value; set its keys",
		}},
		{"flags", nil, []string{
			"kafka.broker=a:1", "kafka", "kafka=1", "=1", "methods.a.b.timeot=1s", "methods.a.b.retry.max_attempt=1", "top.accounts.default=1", "kafka.topics=a b",
			"methods.\xff.timeout=1s", "methods..timeout=1s",
		}, []string{
			"--set methods.\xff.timeout: methods: a name in this map cannot be used: the value holds...",
			"--set methods..timeout: methods: a name in this map cannot be used: the value is empty...",
			"--set kafka.broker: unknown key; did you mean kafka.brokers?",
			`--set: "kafka" has no value: write --set kafka.group_id=test`,
			"--set kafka: kafka: is a section and takes no single value; set its keys",
			"--set : unknown key",
			"--set methods.a.b.timeot: unknown key; did you mean methods.a.b.timeout?",
			"--set methods.a.b.retry.max_attempt: unknown key...",
			"--set top.accounts.default: top.accounts.default: is a section and takes no single value; set its keys",
			`--set kafka.topics: kafka.topics: "a b" is no topic name...`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sameLines(t, problemsOf(t, "", Options{Env: tt.env, Sets: tt.sets}), tt.want)
		})
	}
}

func TestEntriesOfMapsFromVariablesAndFlags(t *testing.T) {
	c := loadText(t, `
top: {accounts: {Shop-A: {app_key: '1', app_secret_file: /a}}}
methods: {a.b_c: {timeout: 1s}}
`, Options{
		Env: []string{
			"TOPRELAY_TOP__ACCOUNTS__SHOP_A__SESSION_FILE=/s", "TOPRELAY_TOP__ACCOUNTS__NEW_ONE__APP_KEY=2", "TOPRELAY_TOP__ACCOUNTS__NEW_ONE__APP_SECRET_FILE=/b",
			"TOPRELAY_METHODS__A_B_C__CONCURRENCY=3", "TOPRELAY_METHODS__X_Y__TRANSIENT_CODES=1,2", "TOPRELAY_TYPES__TOP_X_V1__UNKNOWN_FIELDS=drop",
			"TOPRELAY_SCHEMAS_DIR=/schemas",
		},
		Sets: []string{"methods.x.y.retry.max_attempts=4", "methods.a.b_c.rate_limit.per_second=9", "types.top.z.v1.superseded=send", "top.accounts.Shop-A.app_key=7"},
	})
	if a := c.Top.Accounts["Shop-A"]; a != (Account{"7", "/a", "/s"}) {
		t.Errorf("Shop-A: %+v", a)
	}
	if a := c.Top.Accounts["new_one"]; a != (Account{"2", "/b", ""}) {
		t.Errorf("new_one: %+v", a)
	}
	if m := c.Methods["a.b_c"]; m.Concurrency != 3 || m.RateLimit.PerSecond != 9 || m.RateLimit.Burst != 50 {
		t.Errorf("a.b_c: %+v", m)
	}
	if m := c.Methods["x.y"]; len(m.TransientCodes) != 2 || m.Retry.MaxAttempts != 4 {
		t.Errorf("x.y: %+v", m)
	}
	if len(c.Top.Accounts) != 2 || len(c.Methods) != 2 || c.Types["top.x.v1"].UnknownFields != "drop" || c.Types["top.z.v1"].Superseded != "send" || c.SchemasDir != "/schemas" {
		t.Errorf("%s", c.YAML())
	}
}
