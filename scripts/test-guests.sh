#!/usr/bin/env bash
# test-guests.sh: builds and tests every example function the way its author would: natively, then as a component.
set -euo pipefail
cd "$(dirname "$0")/.."
for manifest in examples/*/Cargo.toml; do
  project=$(dirname "$manifest")
  echo "== $project"
  (cd "$project" && cargo fmt --check && cargo test --locked --quiet)
  ./scripts/build-guest.sh "$project"
done
