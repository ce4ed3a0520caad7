# The image of TOP Relay: one static binary, the authorities that TLS trusts, and nothing else: no shell, no root.
#
#   docker build -t toprelay-worker --build-arg VERSION=$(git describe --tags --always) .
#   docker run --read-only --cap-drop ALL -v ./relay:/etc/toprelay:ro -v toprelay:/var/lib/toprelay \
#     -e TOPRELAY_CONFIG=/etc/toprelay/toprelay.yaml toprelay-worker
#
# /etc/toprelay holds the configuration and, readable by uid or gid 65532 only, the files with secrets. /var/lib/toprelay
# holds the ledger (dedup.path: /var/lib/toprelay/toprelay.db) and is the only place that is written to.

# The version of Go is the one of go.mod. A module proxy near you: --build-arg GOPROXY=https://...
FROM --platform=$BUILDPLATFORM golang:1.26-alpine AS build
WORKDIR /src
ENV CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-buildvcs=false
ARG GOPROXY
COPY . .
ARG VERSION=unknown
ARG TARGETOS
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /image/bin/worker ./cmd/worker
# The folder of the ledger, which a new volume takes its owner and mode from.
RUN mkdir -p /image/lib/toprelay && chmod 0700 /image/lib/toprelay

# From scratch: a base image would add a registry to trust and to reach, and nothing that the binary uses.
FROM scratch AS base
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /image/bin/ /usr/local/bin/
COPY --from=build --chown=65532:65532 /image/lib/ /var/lib/
USER 65532:65532
# Where relative paths start when there is no configuration file.
WORKDIR /var/lib/toprelay
VOLUME /var/lib/toprelay
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/worker"]
CMD ["run"]
# Asks the worker at its ops.listen. One that waits for Kafka is not ready, and needs no restart.
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["/usr/local/bin/worker", "check", "--running"]

# The image of docker-compose.yml: the one below with the secrets of deploy/compose, which are worth something at the
# simulator only. They are in the image because the worker refuses secrets that others can read, Git keeps no such modes,
# and Docker Compose gives a read-only container neither the content nor the mode of a secret, only files as they are.
FROM build AS development-secrets
RUN mkdir -p /image/etc/toprelay && cp -R deploy/compose/secrets /image/etc/toprelay/ && \
    chmod 0755 /image/etc/toprelay && chmod 0700 /image/etc/toprelay/secrets && chmod 0400 /image/etc/toprelay/secrets/*

FROM base AS development
COPY --from=development-secrets --chown=65532:65532 /image/etc/ /etc/

# What is built where no target is named: the image for production. It must stay the last one.
FROM base AS worker
