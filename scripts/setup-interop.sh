#!/usr/bin/env bash
# Makes .venv-interop: the unmodified Python client from PyPI and pytest, pinned. Quick when it is up to date.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-interop
wanted=tests/interop/requirements.txt
if ! cmp -s "$wanted" "$venv/installed.txt"; then
  echo "setup: installing the original Python client into $venv"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$wanted"
  cp "$wanted" "$venv/installed.txt"
fi
echo "setup: $venv is in place"
