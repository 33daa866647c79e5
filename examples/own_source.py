"""A source of one's own, here a moving square: python own_source.py [WORKER_URL]"""

import asyncio
import sys

import numpy as np

from framewire import InferenceHTTPClient
from framewire.webrtc import StreamConfig, StreamSource

url = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:9001"
whole = {
    "version": "1.0",
    "inputs": [{"type": "InferenceImage", "name": "image"}],
    "steps": [],
    "outputs": [{"type": "JsonField", "name": "image", "selector": "$inputs.image"}],
}


class Picture:
    def __init__(self, number):
        self.pixels = np.zeros((240, 320, 3), np.uint8)
        self.pixels[100:140, 4 * number : 4 * number + 40] = 255

    def to_ndarray(self, format):
        return self.pixels


class Square:
    """A track: its recv() paces itself, and says the end with StopAsyncIteration."""

    kind = "video"

    def __init__(self):
        self.number = 0

    async def recv(self):
        await asyncio.sleep(1 / 30)
        self.number += 1
        if self.number > 60:
            raise StopAsyncIteration
        return Picture(self.number)


class MovingSquare(StreamSource):
    async def configure_peer_connection(self, pc):
        pc.addTrack(Square())

    def get_initialization_params(self, config):
        return {"declared_fps": 30}


with InferenceHTTPClient.init(api_url=url).webrtc.stream(
    MovingSquare(), workflow=whole, config=StreamConfig(stream_output=["image"])
) as session:
    positions = [int(frame[120, :, 0].argmax()) for frame, _ in session.video()]
print(f"{len(positions)} frames came back; the square went from {positions[0]} to {positions[-1]}")
