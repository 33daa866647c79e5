#!/usr/bin/env bash
# Fetches what the browser tests drive from npm, pinned: playwright-core and the original's JavaScript client. Chromium is Debian's.
set -euo pipefail
cd "$(dirname "$0")/.."
tests=tests/browser
if ! cmp -s $tests/package-lock.json $tests/node_modules/installed.json; then
  echo "setup: fetching what $tests/package-lock.json names"
  npm ci --prefix $tests --silent
  cp $tests/package-lock.json $tests/node_modules/installed.json
fi
echo "setup: the browser tests' packages are in place"
