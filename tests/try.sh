#!/bin/sh
# Sets up everything and runs the main job on lab hosts: three control planes and a worker behind a virtual IP.
set -eu
cd "$(dirname "$0")/.."
.ci/setup
sh tests/standin.sh
exec target/lab/baremetal up inventories/lab.yaml "$@"
