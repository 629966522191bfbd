#!/usr/bin/env bash
# run.sh [OPTIONS OF tidemill-bench]: builds optimised, and measures Tidemill beside Apache Kafka. Without options it
# runs everything and writes docs/benchmarks.md; `bench/run.sh --help` has the options.
set -euo pipefail
cd "$(dirname "$0")/.."
KAFKA_LIBS=$(./scripts/kafka-tools.sh)
STREAMS_CLASSPATH=$(./bench/streams/build.sh)
BENCH_PYTHON=$(./scripts/python-env.sh)/bin/python
export KAFKA_LIBS STREAMS_CLASSPATH BENCH_PYTHON
cargo build --release --locked -p tidemill -p tidemill-bench
target=${CARGO_TARGET_DIR:-target}
BROKER_BINARY=$(realpath "$target/release/tidemill")
export BROKER_BINARY
if [ $# -gt 0 ]; then
  exec "$target/release/tidemill-bench" "$@"
fi
"$target/release/tidemill-bench" --page docs/benchmarks.md

echo; echo "== journal alone: one writer and many, against the raw disk"
cargo run --release --locked -q -p tidemill-journal --example journal_bench
echo; echo "== functions: records through guest and host"
cargo run --release --locked -q -p tidemill-functions --example throughput
