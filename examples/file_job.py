"""Sends a video file to a worker and counts what comes back: python file_job.py [WORKER_URL] [VIDEO]"""

import sys

from framewire import InferenceHTTPClient
from framewire.webrtc import StreamConfig, VideoFileSource

url, video = sys.argv[1:3] if len(sys.argv) > 2 else ("http://localhost:9001", "in.mp4")
crop = {
    "version": "1.0",
    "inputs": [{"type": "InferenceImage", "name": "image"}],
    "steps": [
        {
            "type": "roboflow_core/absolute_static_crop@v1",
            "name": "crop",
            "images": "$inputs.image",
            "x_center": 100,
            "y_center": 100,
            "width": 160,
            "height": 120,
        }
    ],
    "outputs": [{"type": "JsonField", "name": "crop", "selector": "$steps.crop.crops"}],
}

client = InferenceHTTPClient.init(api_url=url)
session = client.webrtc.stream(VideoFileSource(video), workflow=crop, config=StreamConfig(stream_output=["crop"]))
frames = 0


@session.on_frame
def show(frame, metadata):
    global frames
    frames += 1
    if metadata.frame_id % 100 == 1:
        print(f"frame {metadata.frame_id}: {frame.shape[1]}x{frame.shape[0]}")


session.run()
print(f"{frames} frames, {session.delivery}")
