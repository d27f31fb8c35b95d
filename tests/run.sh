#!/bin/sh
# Sets up everything that the tests need and runs every test. As root, on Debian with Rust and apt.
set -eu
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "what the tests need (container engine, debootstrap, haproxy, keepalived, openssh-server, shellcheck)"
.ci/setup

step "format and lints"
cargo fmt --check
cargo clippy --all-targets -- --deny warnings

step "unit tests, golden files, command-line tests"
cargo test --quiet

step "stand-in bundle"
sh tests/standin.sh

step "end to end on lab hosts"
cargo test --quiet --test tests -- --ignored --test-threads=1 e2e
