#!/usr/bin/env bash
# Builds the Python package as a wheel in target/wheels and installs it into a venv, which is made when it is missing.
# usage: setup-python.sh [VENV], default .venv
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
tools=.venv-build
wanted=bindings/python/requirements-build.txt

if ! cmp -s "$wanted" "$tools/installed.txt"; then
  echo "setup: installing the build tools into $tools"
  rm -rf "$tools"
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$wanted"
  cp "$wanted" "$tools/installed.txt"
fi
# FFmpeg stays the system's, so the wheel is for this system.
rm -rf target/wheels
"$tools/bin/maturin" build --quiet --release --locked --auditwheel skip --manifest-path bindings/python/Cargo.toml --out target/wheels
[[ -x $venv/bin/python ]] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check target/wheels/framewire-*.whl
"$venv/bin/pip" install --quiet --disable-pip-version-check --force-reinstall --no-deps target/wheels/framewire-*.whl
echo "setup: framewire $("$venv/bin/python" -c 'import framewire; print(framewire.__version__)') is in $venv"
