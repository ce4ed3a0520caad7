package compose

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// repo is the checkout.
const repo = "../.."

// built are the images of the Dockerfile, made once.
var built []*Image

func TestMain(m *testing.M) { os.Exit(suite(m)) }

func suite(m *testing.M) int {
	dir, err := os.MkdirTemp("", "toprelay-compose-")
	if err == nil {
		defer os.RemoveAll(dir)
		if built, err = Build(context.Background(), repo, dir); err == nil {
			return m.Run()
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// image is a stage of the Dockerfile.
func image(t *testing.T, name string) *Image {
	t.Helper()
	for _, m := range built {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("the Dockerfile has no stage %s", name)
	return nil
}

// load reads a docker-compose.yml with the images that were made.
func load(t *testing.T, dir string) (*Composition, error) {
	t.Helper()
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return Load(t.Context(), dir, built, t.TempDir())
}
