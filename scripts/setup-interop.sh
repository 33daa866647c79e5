#!/usr/bin/env bash
# Makes .venv-interop: the unmodified Python client from PyPI and pytest, pinned.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/venv.sh .venv-interop tests/interop/requirements.txt
echo "setup: .venv-interop is in place"
