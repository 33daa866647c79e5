"""Two videos at once in one event loop: python asyncio_frames.py [WORKER_URL] [VIDEO]"""

import asyncio
import sys

from framewire import InferenceHTTPClient
from framewire.webrtc import StreamConfig, VideoFileSource

url, video = sys.argv[1:3] if len(sys.argv) > 2 else ("http://localhost:9001", "in.mp4")
whole = {
    "version": "1.0",
    "inputs": [{"type": "InferenceImage", "name": "image"}],
    "steps": [],
    "outputs": [{"type": "JsonField", "name": "image", "selector": "$inputs.image"}],
}
client = InferenceHTTPClient.init(api_url=url)


async def count(limit):
    frames = 0
    async with client.webrtc.stream(
        VideoFileSource(video), workflow=whole, config=StreamConfig(stream_output=["image"])
    ) as session:
        async for frame, metadata in session.video():
            frames += 1
            if frames == limit:
                break
    return frames


async def main():
    print("frames:", await asyncio.gather(count(100), count(50)))


asyncio.run(main())
