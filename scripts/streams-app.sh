#!/usr/bin/env bash
# streams-app.sh: compiles the Kafka Streams programs of the conformance tests and prints their class path.
# Nothing is done twice.
set -euo pipefail
cd "$(dirname "$0")/.."
libs=$(./scripts/kafka-tools.sh)
classes="$PWD/.work/kafka/classes"
source=tests/conformance/java/StreamsApp.java
if ! cmp -s "$source" "$classes/StreamsApp.java"; then
  command -v javac > /dev/null || ./scripts/apt-install.sh default-jdk-headless
  rm -rf "$classes"
  mkdir -p "$classes"
  javac -cp "$libs/*" -d "$classes" "$source" >&2
  cp "$source" "$classes/"
fi
echo "$classes:$libs/*"
