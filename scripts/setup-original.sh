#!/usr/bin/env bash
# Makes .venv-original: the original Python client and server 1.8.3 from PyPI (about 6 GB), and the clips of the benches.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-original
stamp=$venv/complete
if [[ ! -e $stamp ]]; then
  echo "setup: installing the original client and server into $venv (6 GB, some minutes)"
  [[ -x $venv/bin/python ]] || python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check 'inference-sdk[webrtc]==1.8.3'
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-compile 'inference-cpu==1.8.3'
  # The HTTP server's own requirements, which the wheels do not pull in.
  "$venv/bin/pip" install --quiet --disable-pip-version-check \
    'uvicorn[standard]<=0.34.0' python-multipart fastapi-cprofile asgi_correlation_id
  touch "$stamp"
fi
mkdir -p assets/bench
for size in 640x480 1280x720; do
  clip=assets/bench/v_$size.mp4
  if [[ ! -s $clip ]]; then
    ffmpeg -v error -y -f lavfi -i "testsrc2=size=$size:rate=30" -frames:v 300 -pix_fmt yuv420p -c:v libx264 \
      -preset veryfast -f mp4 "$clip.part"
    mv "$clip.part" "$clip"
  fi
done
echo "setup: $venv is in place"
