#!/usr/bin/env bash
# report.sh: what codecs cost, in time (criterion) and in instructions (callgrind), which do not depend on what else the
# machine does. It is a report: no figure makes it fail.
set -euo pipefail
cd "$(dirname "$0")/../.."
./scripts/apt-install.sh valgrind
cargo bench --locked -p tidemill-codec-bench --bench codecs -- \
  --quiet --noplot --discard-baseline --warm-up-time 0.2 --measurement-time 0.5 --sample-size 10

counts="${CARGO_TARGET_DIR:-target}/release/codec-counts"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Callgrind shows a program a processor without AVX-512, so where a wider path is taken otherwise, it is not the one counted.
printf '\n%-24s %14s %10s %14s\n' "instructions" "all" "bytes" "for each byte"
while read -r task; do
  if ! bytes=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='*codec_counts*counted*' "$counts" "$task" 2> "$log"); then
    cat "$log" >&2
    exit 1
  fi
  instructions=$(sed -n 's/.*Collected : //p' "$log")
  awk -v task="$task" -v all="$instructions" -v bytes="$bytes" \
    'BEGIN { printf "%-24s %14d %10d %14.2f\n", task, all, bytes, all / bytes }'
done < <("$counts")
