#!/usr/bin/env bash
# tidy.sh: house rules that no linter knows. Prints each violation and fails if there is one.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0
complain() { echo "tidy: $*" >&2; failed=1; }

files=$(git ls-files --cached --others --exclude-standard)

while read -r file; do
  lines=$(wc -l < "$file")
  [ "$lines" -le 800 ] || complain "$file has $lines lines: split it (800 at most)"
  case "$file" in */build.rs|*/main.rs|*/tests/*|*/examples/*|*/benches/*) ;; *)
    head -n 1 "$file" | grep -qE '^(//!|#!|#\[)' || complain "$file does not begin with what it is for (//!)" ;;
  esac
done < <(grep -E '\.rs$' <<< "$files")

while read -r hit; do complain "unfinished: $hit"; done \
  < <(grep -E '\.(rs|sh|py|java|go)$' <<< "$files" | grep -v '^scripts/tidy.sh$' | xargs grep -nE 'TODO|FIXME|XXX|#\[ignore' || true)

while read -r hit; do complain "a crate or module needs a name that says what it is: $hit"; done \
  < <(grep -E '(^|/)(utils?|common|helpers?)(\.rs|/)' <<< "$files" || true)

while read -r hit; do complain "a built artefact is checked in: $hit"; done \
  < <(grep -E '\.(wasm|so|a|jar|class)$' <<< "$files" | grep -v golden || true)

# The clock, randomness and the file system come in from outside in everything that is simulated.
while read -r hit; do complain "use the Disk or Clock that comes in: $hit"; done \
  < <(grep -nE 'SystemTime::now|Instant::now|std::fs::' runtime/wal/src -r --include='*.rs' | grep -v tests || true)

exit $failed
