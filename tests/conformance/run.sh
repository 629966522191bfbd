#!/usr/bin/env bash
# run.sh [PYTEST ARGUMENTS]: real Kafka clients, programs and analytics tools against a real broker.
set -euo pipefail
cd "$(dirname "$0")/../.."
./scripts/apt-install.sh kcat
venv=$(./scripts/python-env.sh)
KAFKA_LIBS=$(./scripts/kafka-tools.sh)
STREAMS_CLASS_PATH=$(./scripts/streams-app.sh)
export KAFKA_LIBS STREAMS_CLASS_PATH
./scripts/build.sh
./scripts/conformance-clients.sh
LATE_FLIGHTS=$(./scripts/build-guest.sh examples/late-flights | tail -n 1)
HOSTILE_GUEST=$(./scripts/build-guest.sh tests/guests/transform | tail -n 1)
export LATE_FLIGHTS HOSTILE_GUEST
exec "$venv/bin/python" -m pytest -q --color=no -p no:cacheprovider tests/conformance "$@"
