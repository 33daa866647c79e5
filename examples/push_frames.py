"""Pushes pictures of its own and takes them back processed: python push_frames.py [WORKER_URL]"""

import sys
import threading
import time

import numpy as np

from framewire import InferenceHTTPClient
from framewire.webrtc import ManualSource, StreamConfig

url = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:9001"
whole = {
    "version": "1.0",
    "inputs": [{"type": "InferenceImage", "name": "image"}],
    "steps": [],
    "outputs": [{"type": "JsonField", "name": "image", "selector": "$inputs.image"}],
}
source = ManualSource()


def feed():
    for number in range(60):
        source.send(np.full((240, 320, 3), number * 4, dtype=np.uint8))
        time.sleep(1 / 30)
    source.close()


with InferenceHTTPClient.init(api_url=url).webrtc.stream(
    source, workflow=whole, config=StreamConfig(stream_output=["image"])
) as session:
    session.start()
    threading.Thread(target=feed).start()
    brightness = [int(frame.mean()) for frame, _ in session.video()]
print(f"{len(brightness)} frames came back, from brightness {brightness[0]} to {brightness[-1]}")
