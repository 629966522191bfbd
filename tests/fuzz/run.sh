#!/usr/bin/env bash
# run.sh TARGET SECONDS: fuzzes one target (a file of fuzz_targets/) for so long.
# Needs the stable toolchain and a C++ compiler, nothing else. What is found interesting stays in
# corpus/TARGET, what crashes in artifacts/TARGET; give such a file instead of SECONDS to run it alone.
set -euo pipefail
cd "$(dirname "$0")"
target=${1:?"which? one of: $(ls fuzz_targets | sed 's/\.rs$//' | tr '\n' ' ')"}
seconds=${2:?for how many seconds?}
host=$(rustc -vV | sed -n 's/^host: //p')

# What cargo-fuzz passes; without AddressSanitizer, which needs a nightly toolchain and finds little
# in code that denies `unsafe`.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}
cargo build --release --target "$host" --bin "$target"

mkdir -p "corpus/$target" "artifacts/$target"
options=(-max_len=70000 -rss_limit_mb=1024 -timeout=10 -artifact_prefix="artifacts/$target/")
if [ -f "$seconds" ]; then
    exec "$CARGO_TARGET_DIR/$host/release/$target" "${options[@]}" "$seconds"
fi
# Golden files are good seeds, and so is what once went wrong; the fuzzer only reads them there.
seeds=()
case $target in
record_*) seeds=(../../runtime/records/tests/golden) ;;
journal_* | state_*) seeds=(../../runtime/state/tests/golden) ;;
archive_pages) seeds=(regressions/archive_pages) ;;
archive_*) seeds=(../../tiered-storage/format/tests/golden) ;;
esac
exec "$CARGO_TARGET_DIR/$host/release/$target" "${options[@]}" -max_total_time="$seconds" -print_final_stats=1 "corpus/$target" "${seeds[@]}"
