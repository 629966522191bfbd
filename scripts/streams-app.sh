#!/usr/bin/env bash
# streams-app.sh: compiles the Java programs of the conformance tests (Kafka Streams, a transactional copier) and prints
# their class path. Nothing is done twice.
set -euo pipefail
cd "$(dirname "$0")/.."
libs=$(./scripts/kafka-tools.sh)
classes="$PWD/.work/kafka/classes"
sources=tests/conformance/java
if ! diff -rq --exclude=pom.xml --exclude='*.class' "$sources" "$classes" > /dev/null 2>&1; then
  command -v javac > /dev/null || ./scripts/apt-install.sh default-jdk-headless
  rm -rf "$classes"
  mkdir -p "$classes"
  javac -cp "$libs/*" -d "$classes" "$sources"/*.java >&2
  cp "$sources"/*.java "$classes/"
fi
echo "$classes:$libs/*"
