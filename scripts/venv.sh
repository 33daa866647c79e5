#!/usr/bin/env bash
# Makes a venv with exactly the packages of a requirements file. Quick when it is up to date. usage: venv.sh VENV REQUIREMENTS
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
wanted=$2
cmp -s "$wanted" "$venv/installed.txt" && exit
echo "setup: installing what $wanted names into $venv"
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$wanted"
cp "$wanted" "$venv/installed.txt"
