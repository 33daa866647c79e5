"""One live session of the original client: pushed frames come back on the track. usage: live.py URL WIDTH HEIGHT FRAMES [GATE]

Prints one JSON object. With GATE, a path: prints `ready` once connected and begins when that file exists, so that several
sessions run at the same time. CPU is counted from the first push on, without the imports.
"""

import json
import os
import pathlib
import sys
import threading
import time

from common import cpu_seconds, passthrough, peak_rss_mb
from inference_sdk import InferenceHTTPClient
from inference_sdk.webrtc import ManualSource, StreamConfig

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "interop"))
from live import number_in, paced, picture  # noqa: E402

url, width, height, count = sys.argv[1], *map(int, sys.argv[2:5])
gate = sys.argv[5] if len(sys.argv) > 5 else None
RATE = 30

source = ManualSource()
config = StreamConfig(stream_output=["crop"], realtime_processing=True, turn_server={"iceServers": []})
client = InferenceHTTPClient(api_url=url, api_key="test-key")
session = client.webrtc.stream(source=source, workflow=passthrough(width, height), image_input="image", config=config)
pictures = [picture(number, width, height) for number in range(count + 1)]
sent, back = {}, {}


@session.on_frame
def on_frame(frame, metadata):
    now = time.perf_counter()
    back.setdefault(number_in(frame), now)


begun = time.perf_counter()
session._ensure_started()
while session._pc.connectionState != "connected":
    assert time.perf_counter() - begun < 120, "not connected"
    time.sleep(0.002)
connected = time.perf_counter() - begun
if gate:
    print("ready", flush=True)
    while not os.path.exists(gate):
        time.sleep(0.02)
before = cpu_seconds()
start = time.perf_counter()


def push(number):
    sent[number] = time.perf_counter()
    source.send(pictures[number])


def sender():
    global used, took
    paced(count, RATE, push)
    time.sleep(1.5)  # what is still under way
    used, took = cpu_seconds() - before, time.perf_counter() - start
    session.close()


thread = threading.Thread(target=sender)
thread.start()
session.run()
thread.join()
latencies = sorted(1000 * (back[number] - sent[number]) for number in back if number in sent)


def percentile(share):
    return latencies[min(len(latencies) - 1, int(share * len(latencies)))] if latencies else None


print(
    json.dumps(
        {
            "sent": len(sent),
            "frames": len(latencies),
            "p50_ms": percentile(0.50),
            "p95_ms": percentile(0.95),
            "connect_ms": connected * 1000,
            "cpu_seconds": used,
            "cpu_per_10_s": used / took * 10,
            "rss_mb": peak_rss_mb(),
        }
    ),
    flush=True,
)
os._exit(0)
