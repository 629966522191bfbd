#!/usr/bin/env bash
# kafka-tools.sh: brings Apache Kafka's Java client and tools into .work/kafka/libs by Maven and prints the folder.
# Nothing is done twice.
set -euo pipefail
cd "$(dirname "$0")/.."
libs="$PWD/.work/kafka/libs"
if ! cmp -s tests/conformance/java/pom.xml "$libs/pom.xml"; then
  ./scripts/apt-install.sh maven default-jre-headless
  rm -rf "$libs"
  mkdir -p "$libs"
  mvn -q -B -f tests/conformance/java/pom.xml dependency:copy-dependencies -DoutputDirectory="$libs" >&2
  cp tests/conformance/java/pom.xml "$libs/pom.xml"
fi
echo "$libs"
