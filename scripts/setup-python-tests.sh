#!/usr/bin/env bash
# Makes .venv-python: what tests/python needs, pinned, and the wheel that setup-python.sh built. Quick when it is up to date.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-python
wanted=tests/python/requirements.txt
if ! cmp -s "$wanted" "$venv/installed.txt"; then
  echo "setup: installing the test tools into $venv"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$wanted"
  # The type checker fetches its own part when it is first used: now, not in a test.
  PYRIGHT_PYTHON_IGNORE_WARNINGS=1 "$venv/bin/pyright" --version >/dev/null
  cp "$wanted" "$venv/installed.txt"
fi
"$venv/bin/pip" install --quiet --disable-pip-version-check --force-reinstall --no-deps target/wheels/framewire-*.whl
echo "setup: $venv is in place"
