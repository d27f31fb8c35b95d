#!/bin/sh
# Makes the stand-in bundle: target/standin, or the directory and version given.
#   tests/standin.sh [DIRECTORY [KUBERNETES]]
set -eu
cd "$(dirname "$0")/.."
directory=${1:-target/standin}
version=${2:-1.33.4}
cargo build --quiet --release --bin baremetal --example standin
target/release/examples/standin bundle --kubernetes "$version" "$directory"
