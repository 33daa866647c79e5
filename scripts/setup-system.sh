#!/usr/bin/env bash
# Installs the Debian packages that building, the demo and the tests need. Quick when nothing is missing.
set -euo pipefail

packages=(
  build-essential pkg-config cmake nasm clang libclang-dev   # C parts of dependencies, bindings
  libavcodec-dev libavformat-dev libavutil-dev libswscale-dev # FFmpeg, linked dynamically
  libavdevice-dev libavfilter-dev                             # FFmpeg's cameras
  ffmpeg                                                      # makes and checks test clips
  python3 python3-venv python3-pip curl
)
# An RTSP server to test against.
packages+=(
  python3-gi gir1.2-gst-rtsp-server-1.0
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly gstreamer1.0-plugins-bad
)
# A TURN server to test against. Its service is not needed: the tests start their own.
packages+=(coturn)
# A browser to test with.
packages+=(chromium)
# Networks to test against: namespaces and what filters between them.
packages+=(iproute2 nftables openssl)
command -v npm >/dev/null || packages+=(nodejs npm)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done

if ((${#missing[@]})); then
  echo "setup: installing ${missing[*]}"
  as_root=()
  if ((EUID != 0)); then as_root=(sudo); fi
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

command -v cargo >/dev/null || {
  echo "setup: Rust 1.95 or newer is needed (install it with rustup); then run this again" >&2
  exit 1
}
echo "setup: system packages are in place"
