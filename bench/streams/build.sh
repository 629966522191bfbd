#!/usr/bin/env bash
# build.sh: compiles the Kafka Streams peer into .work/streams and prints the class path. Nothing is done twice.
set -euo pipefail
cd "$(dirname "$0")/../.."
work="$PWD/.work/streams"
if ! cmp -s bench/streams/pom.xml "$work/pom.xml" || ! cmp -s bench/streams/LateFlights.java "$work/LateFlights.java"; then
  command -v mvn > /dev/null || ./scripts/apt-install.sh maven
  command -v javac > /dev/null || ./scripts/apt-install.sh default-jdk-headless
  rm -rf "$work"
  mkdir -p "$work/libs" "$work/classes"
  mvn -q -B -f bench/streams/pom.xml dependency:copy-dependencies -DoutputDirectory="$work/libs" >&2
  javac -cp "$work/libs/*" -d "$work/classes" bench/streams/LateFlights.java
  cp bench/streams/pom.xml bench/streams/LateFlights.java "$work/"
fi
echo "$work/classes:$work/libs/*"
