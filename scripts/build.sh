#!/usr/bin/env bash
# build.sh: builds the workspace with all its tests. One selection of packages for everything: a build of a single
# package would turn on fewer features of shared dependencies and compile half of them a second time.
set -euo pipefail
cd "$(dirname "$0")/.."
# librdkafka, which tests use, comes as source and is built with make.
command -v make > /dev/null || ./scripts/apt-install.sh make
exec cargo build --locked --workspace --all-targets "$@"
