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
[ $# -gt 0 ] || set -- --page docs/benchmarks.md
exec "$target/release/tidemill-bench" "$@"
