package top

import (
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/toprelay/worker/schemas"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// Canaries: none of them may show up in a URL or an error.
const (
	testSecret  = "canary-secret-0001"
	testSession = "canary-session-0001"
)

type fixed string

func (v fixed) Value() string { return string(v) }

func testAccount() *Account {
	return &Account{Name: "default", AppKey: "12345678", Secret: fixed(testSecret), Session: fixed(testSession)}
}

var loadSchemas = sync.OnceValues(func() (*schemas.Catalogue, error) { return schemas.Load("") })

func catalogue(t testing.TB) *schemas.Catalogue {
	t.Helper()
	c, err := loadSchemas()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func typeOf(t testing.TB, name string) *schemas.Type {
	t.Helper()
	typ, ok := catalogue(t).Type(name)
	if !ok {
		t.Fatalf("no type %s", name)
	}
	return typ
}

// withRepeatable is a copy of a type with another answer to "may it be repeated?".
func withRepeatable(t *schemas.Type, repeatable bool) *schemas.Type {
	other := *t
	other.Repeatable = repeatable
	return &other
}

func testClient(t testing.TB, o Options) *Client {
	t.Helper()
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
