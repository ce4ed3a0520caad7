# TOP Relay. The two commands a newcomer needs are `make demo` and `make test`.
SHELL := bash
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GO_LDFLAGS := -s -w -X main.version=$(VERSION)

.PHONY: help build demo test test-compose test-kafka test-redis test-clients lint bench generate clean

help: ## show the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/worker
	CGO_ENABLED=0 go build -trimpath -ldflags '$(GO_LDFLAGS)' -o bin/worker ./cmd/worker

demo: build ## run the main job with everything embedded: Kafka, the platform's simulator, the worker, sample events
	@bin/worker demo

test: test-compose ## all tests with the race detector; needs Go only
	go test -race -timeout 10m ./...

# Not from the cache: what it reads is outside of its module, where Go does not look for changes.
test-compose: ## docker-compose.yml and the Dockerfile against what the binary accepts, without containers; needs Go only
	go test -C tools/compose -race -count=1 -timeout 5m ./...

test-kafka: ## the integration suites against a real Apache Kafka, started here; needs Java 17 and Maven
	test/kafka/run go test -race -tags kafka -count=1 -timeout 20m ./internal/broker/... ./internal/check/... ./test/integration/...

test-redis: ## the ledger against a real Redis, started here; needs redis-server 6.2 or newer
	go test -race -tags redis -count=1 -timeout 15m ./internal/dedup/...

test-clients: build ## the simulator against two public clients of the platform; needs Node.js
	WORKER=$(CURDIR)/bin/worker test/clients/run

lint: ## golangci-lint, pinned in tools/go.mod
	go tool -modfile=tools/go.mod golangci-lint run ./...
	cd tools/compose && go tool -modfile=$(CURDIR)/tools/go.mod golangci-lint run ./...

bench: build ## measure throughput, CPU and memory against a raw loop in the same run; takes some minutes
	go run ./test/bench $(BENCHFLAGS)

generate: ## renew generated documents
	go generate ./...

clean: ## remove what the targets made
	rm -rf bin
