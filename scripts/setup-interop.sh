#!/usr/bin/env bash
# Makes .venv-interop: the unmodified Python client from PyPI and pytest, pinned; and fetches libdatachannel from npm.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/venv.sh .venv-interop tests/interop/requirements.txt
peer=benches/rivals/libdatachannel
if ! cmp -s $peer/package-lock.json $peer/node_modules/installed.json; then
  echo "setup: fetching what $peer/package-lock.json names"
  npm ci --prefix $peer --silent
  cp $peer/package-lock.json $peer/node_modules/installed.json
fi
echo "setup: .venv-interop is in place"
