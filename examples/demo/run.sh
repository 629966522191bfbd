#!/usr/bin/env bash
# run.sh [folder|minio]: installs what the demo needs, builds Tidemill and its example functions, and runs the demo.
set -euo pipefail
cd "$(dirname "$0")/../.."
store=${1:-folder}
say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

say "tools: Python packages and kcat"
venv=$(./scripts/python-env.sh)
./scripts/apt-install.sh kcat
if [ "$store" = minio ]; then
  say "MinIO, built from its Go module"
  minio=$(./scripts/minio.sh)
  export MINIO=$minio
fi

say "building tidemill"
cargo build --locked -p tidemill

say "building the functions late-flights and webhook to WebAssembly"
LATE_FLIGHTS=$(./scripts/build-guest.sh examples/late-flights | tail -n 1)
WEBHOOK=$(./scripts/build-guest.sh examples/webhook | tail -n 1)
export LATE_FLIGHTS WEBHOOK

exec "$venv/bin/python" examples/demo/demo.py --store "$store"
