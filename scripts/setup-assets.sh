#!/bin/sh
# Finds a Python of 3.11 or newer (PYTHON wins) and runs setup-assets.py, which does the work.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
for python in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$python" "$here/setup-assets.py" "$@"
    fi
done
echo "[assets] Python 3.11 or newer is needed (on Debian 12: apt-get install python3 python3-venv)" >&2
exit 1
