#!/usr/bin/env bash
# build.sh: builds the workspace with all its tests. One selection of packages for everything: a build of a single
# package would turn on fewer features of shared dependencies and compile half of them a second time.
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo build --locked --workspace --all-targets "$@"
