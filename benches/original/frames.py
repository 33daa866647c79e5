"""One file session of the original client: frames through the data channel. usage: frames.py URL CLIP WIDTH HEIGHT

Prints one JSON object. CPU is counted from the first to the last frame only, without the imports.
"""

import json
import resource
import sys
import time

from inference_sdk import InferenceHTTPClient
from inference_sdk.webrtc import StreamConfig, VideoFileSource

url, clip, width, height = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
workflow = {
    "version": "1.0",
    "inputs": [{"type": "InferenceImage", "name": "image"}],
    "steps": [
        {
            "type": "roboflow_core/absolute_static_crop@v1",
            "name": "crop",
            "images": "$inputs.image",
            "x_center": width // 2,
            "y_center": height // 2,
            "width": width,
            "height": height,
        }
    ],
    "outputs": [{"type": "JsonField", "name": "crop", "coordinates_system": "own", "selector": "$steps.crop.crops"}],
}


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


config = StreamConfig(stream_output=["crop"], realtime_processing=False, turn_server={"iceServers": []})
client = InferenceHTTPClient(api_url=url, api_key="test-key")
uploaded = []
source = VideoFileSource(clip, on_upload_progress=lambda done, total: uploaded.append(time.perf_counter()) if done == total else None)
session = client.webrtc.stream(source=source, workflow=workflow, image_input="image", config=config)
times, used = [], []


@session.on_frame
def on_frame(frame, metadata):
    assert frame.shape == (height, width, 3)
    times.append(time.perf_counter())
    used.append(cpu())


session.run()
print(
    json.dumps(
        {
            "frames": len(times),
            "fps": (len(times) - 1) / (times[-1] - times[0]),
            "cpu_seconds": used[-1] - used[0],
            "upload_to_first_frame_s": times[0] - uploaded[0],
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    )
)
