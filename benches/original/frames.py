"""One file session of a Python client: frames through the data channel. usage: frames.py URL CLIP WIDTH HEIGHT [PACKAGE]

PACKAGE is `inference_sdk` (default) or `framewire`; the program is the same. Prints one JSON object. CPU is counted from the
first to the last frame only, without the imports.
"""

import importlib
import json
import sys
import time

from common import cpu_seconds, passthrough, peak_rss_mb

url, clip, width, height = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
package = sys.argv[5] if len(sys.argv) > 5 else "inference_sdk"
InferenceHTTPClient = importlib.import_module(package).InferenceHTTPClient
webrtc = importlib.import_module(f"{package}.webrtc")

config = webrtc.StreamConfig(stream_output=["crop"], realtime_processing=False, turn_server={"iceServers": []})
client = InferenceHTTPClient(api_url=url, api_key="test-key")
uploaded = []
source = webrtc.VideoFileSource(
    clip, on_upload_progress=lambda done, total: uploaded.append(time.perf_counter()) if done == total else None
)
session = client.webrtc.stream(source=source, workflow=passthrough(width, height), image_input="image", config=config)
times, used = [], []


@session.on_frame
def on_frame(frame, metadata):
    assert frame.shape == (height, width, 3)
    times.append(time.perf_counter())
    used.append(cpu_seconds())


session.run()
print(
    json.dumps(
        {
            "frames": len(times),
            "fps": (len(times) - 1) / (times[-1] - times[0]),
            "cpu_seconds": used[-1] - used[0],
            "upload_to_first_frame_s": times[0] - uploaded[0],
            "rss_mb": peak_rss_mb(),
        }
    )
)
