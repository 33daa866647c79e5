"""The original's ChunkReassembler: one JSON line per case, like `framewire bench reassembler`. usage: reassembler.py N"""

import json
import os
import statistics
import struct
import sys
import time

from inference_sdk.webrtc.datachannel import ChunkReassembler

CHUNK = 48 * 1024


def messages(size):
    body = os.urandom(size)
    total = -(-size // CHUNK)
    return body, [struct.pack("<III", 7, i, total) + body[i * CHUNK : (i + 1) * CHUNK] for i in range(total)]


def rate(size, repeats):
    body, chunks = messages(size)
    reassembler = ChunkReassembler()
    start = time.perf_counter()
    for _ in range(repeats):
        for chunk in chunks:
            payload, frame = reassembler.add_chunk(chunk)
    elapsed = time.perf_counter() - start
    assert payload == body and frame == 7
    return size * repeats / elapsed / 1e6


n = int(sys.argv[1])
for case, size, repeats in (("1 MiB bodies", 1 << 20, 400), ("16 MiB bodies", 16 << 20, 30), ("40 KiB single chunk", 40 << 10, 20000)):
    rate(size, max(1, repeats // 10))
    values = [rate(size, repeats) for _ in range(n)]
    print(
        json.dumps(
            {
                "bench": "reassembler",
                "case": case,
                "value": statistics.median(values),
                "unit": "MB/s",
                "n": n,
                "median": statistics.median(values),
                "min": min(values),
                "max": max(values),
            }
        ),
        flush=True,
    )
