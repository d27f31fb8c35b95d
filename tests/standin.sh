#!/bin/sh
# Makes the stand-in bundle: target/standin, or the directory and version given.
#   tests/standin.sh [DIRECTORY [KUBERNETES]]
set -eu
cd "$(dirname "$0")/.."
directory=${1:-target/standin}
version=${2:-1.33.4}
cargo build --quiet --profile lab --bin baremetal --example standin
target/lab/examples/standin bundle --kubernetes "$version" "$directory"
