#!/usr/bin/env bash
# minio.sh: builds a real MinIO server from its Go module into .work/bin and prints its path. About four minutes, once.
set -euo pipefail
cd "$(dirname "$0")/.."
bin="$PWD/.work/bin"
if [ ! -x "$bin/minio" ]; then
  mkdir -p "$bin"
  echo "building MinIO (a few minutes, once)" >&2
  GOBIN="$bin" GOFLAGS=-mod=mod go install github.com/minio/minio@latest >&2
fi
echo "$bin/minio"
