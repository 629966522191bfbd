#!/usr/bin/env bash
# conformance-clients.sh: builds the client programs of tests/conformance/clients into .work/clients, with what they
# need from their own package managers. Their caches make a second time quick. Run after build.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
work="$PWD/.work/clients"
source="$PWD/tests/conformance/clients"
mkdir -p "$work/node"

command -v go > /dev/null || ./scripts/apt-install.sh golang-go
(cd "$source/go" && go build -o "$work/franz-go" ./franz && go build -o "$work/sarama" ./sarama) >&2

command -v npm > /dev/null || ./scripts/apt-install.sh nodejs npm
if ! cmp -s "$source/node/package.json" "$work/node/package.json"; then
  cp "$source/node/package.json" "$work/node/"
  npm install --prefix "$work/node" --no-package-lock --no-audit --no-fund --silent >&2
fi
cp "$source/node/kafkajs.js" "$work/node/"

# rdkafka's program is a member of the workspace, because tests of the workspace use that client, too: librdkafka,
# which comes as source with the crate, is built once.
cp "${CARGO_TARGET_DIR:-target}/debug/tidemill-conformance-rdkafka" "$work/rdkafka"
