#!/usr/bin/env bash
# Makes .venv-python: what tests/python needs, pinned, and the wheel that setup-python.sh built.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-python
scripts/venv.sh "$venv" tests/python/requirements.txt
# The type checker fetches its own part when it is first used: now, not in a test.
PYRIGHT_PYTHON_IGNORE_WARNINGS=1 "$venv/bin/pyright" --version >/dev/null
"$venv/bin/pip" install --quiet --disable-pip-version-check --force-reinstall --no-deps target/wheels/framewire-*.whl
echo "setup: $venv is in place"
