#!/usr/bin/env bash
# python-env.sh: makes .work/venv with the Python programs that tests, the demo and benchmarks use; prints its path.
# Nothing is done twice: the environment is rebuilt only when scripts/requirements.txt changes.
set -euo pipefail
cd "$(dirname "$0")/.."
venv="$PWD/.work/venv"
if ! cmp -s scripts/requirements.txt "$venv/requirements.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv" >&2
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r scripts/requirements.txt >&2
  cp scripts/requirements.txt "$venv/requirements.txt"
fi
echo "$venv"
