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

# A virtual machine may tell its host every two seconds which pages are free. The host is busy with that for hundreds of
# milliseconds, in which some answer no disk request, and whoever needs the pages next waits for them. So it is turned
# off meanwhile, where that is allowed; the page says if it was not. An order beyond the largest is never reached.
reporting=/sys/module/page_reporting/parameters/page_reporting_order
if [ -w "$reporting" ] && order=$(cat "$reporting") && [ "$order" -le 10 ]; then
  if echo 11 2>/dev/null >"$reporting"; then
    trap 'echo "$order" >"$reporting"' EXIT
  else
    echo "free pages are given back to the host while this measures" >&2
  fi
fi
"$target/release/tidemill-bench" "$@"
