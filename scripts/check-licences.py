#!/usr/bin/env python3
"""Fails when a dependency's licence is not permissive. An OR needs one permissive choice, an AND needs all."""

import json
import re
import subprocess
import sys

PERMISSIVE = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CDLA-Permissive-2.0", "IJG", "ISC", "MIT", "MIT-0", "OpenSSL", "Unicode-3.0", "Unlicense", "Zlib", "WTFPL",
}
# The crate's own licence texts, read by hand, where the expression is missing or needs words.
READ_BY_HAND = {
    # WTFPL bindings over FFmpeg, which is linked dynamically (LGPL).
    "ffmpeg-next": "WTFPL",
    "ffmpeg-sys-next": "WTFPL",
}


def permissive(expression):
    tokens = [re.sub(r"[()]", "", part).strip() for part in re.split(r"\s+OR\s+|/", expression)]
    return any(all(term.strip() in PERMISSIVE for term in re.split(r"\s+AND\s+", token)) for token in tokens)


metadata = json.loads(subprocess.run(["cargo", "metadata", "--format-version", "1", "--locked"], stdout=subprocess.PIPE, check=True).stdout)
bad = []
for package in metadata["packages"]:
    licence = READ_BY_HAND.get(package["name"]) or package["license"] or ""
    if not permissive(licence):
        bad.append(f"{package['name']} {package['version']}: {licence or 'no licence named'}")
print(f"licences: {len(metadata['packages'])} packages, {len(bad)} not permissive")
print("\n".join(bad), file=sys.stderr)
sys.exit(bool(bad))
