#!/usr/bin/env bash
# Builds the Python package as a wheel in target/wheels and installs it into a venv, which is made when it is missing.
# usage: setup-python.sh [VENV], default .venv
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
tools=.venv-build
scripts/venv.sh "$tools" bindings/python/requirements-build.txt
# FFmpeg stays the system's, so the wheel is for this system.
rm -rf target/wheels
"$tools/bin/maturin" build --quiet --release --locked --auditwheel skip --manifest-path bindings/python/Cargo.toml --out target/wheels
[[ -x $venv/bin/python ]] || scripts/venv.sh "$venv" bindings/python/requirements.txt
"$venv/bin/pip" install --quiet --disable-pip-version-check --force-reinstall --no-deps target/wheels/framewire-*.whl
echo "setup: framewire $("$venv/bin/python" -c 'import framewire; print(framewire.__version__)') is in $venv"
