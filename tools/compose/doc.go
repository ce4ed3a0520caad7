// Package compose checks docker-compose.yml and the Dockerfile against what the binary really accepts, without a
// container engine: it reads both with Docker's own libraries, carries out the Dockerfile's instructions in a folder, lays
// out the file system that each service would have, and runs the binary in it.
//
// It is a module of its own so that these libraries stay out of the product's.
package compose
