"""The Python package against the original's server; it is installed beside the test runner.

Not here: the package against our own worker, which is tests/python.
"""

import subprocess
import sys

import pytest
from conftest import CLIP

FRAMES = 250

PRELUDE = """
import sys, threading, time
import numpy as np
from framewire import InferenceHTTPClient
from framewire.webrtc import ManualSource, SessionOptions, StreamConfig, VideoFileSource
url, clip = sys.argv[1:3]
whole = {
    "version": "1.0",
    "inputs": [{"type": "InferenceImage", "name": "image"}],
    "steps": [{"type": "roboflow_core/absolute_static_crop@v1", "name": "crop", "images": "$inputs.image",
               "x_center": 48, "y_center": 32, "width": 96, "height": 64}],
    "outputs": [{"type": "JsonField", "name": "crop", "selector": "$steps.crop.crops"}],
}
config = StreamConfig(stream_output=["crop"], turn_server={"iceServers": []})
client = InferenceHTTPClient.init(api_url=url)
# Each session of the original starts a process that imports everything: half a minute when nothing else runs.
options = SessionOptions(signalling_timeout=240)
"""


def run(body, server):
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PRELUDE + body, server, str(CLIP)], capture_output=True, text=True, timeout=360
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


@pytest.mark.timeout(400)
def test_a_slow_handler_gets_every_frame_of_a_file_in_order(server):
    seen = run(
        """
session = client.webrtc.stream(VideoFileSource(clip), workflow=whole, config=config, options=options)

@session.on_frame
def slow(frame, metadata):
    assert frame.shape == (64, 96, 3)
    time.sleep(0.05)
    print(metadata.frame_id)

session.run()
""",
        server,
    )
    assert seen == [str(number) for number in range(1, FRAMES + 1)]


@pytest.mark.timeout(400)
def test_data_comes_beside_pushed_frames_and_asyncio_takes_them(server):
    shapes = run(
        """
import asyncio
source = ManualSource()

def feed():
    number = 0
    while True:
        try:
            source.send(np.full((64, 96, 3), number % 256, np.uint8))
        except RuntimeError:
            if session.state.value == "closed":
                return
        number += 1
        time.sleep(1 / 30)

session = client.webrtc.stream(source, workflow=whole, config=config, options=options)
threading.Thread(target=feed, daemon=True).start()

async def main():
    async with session:
        frames = session.video()
        for _ in range(30):
            frame, metadata = await frames.__anext__()
            print(frame.shape[1])

asyncio.run(main())
""",
        server,
    )
    assert shapes == ["96"] * 30


@pytest.mark.timeout(400)
def test_a_refusal_of_the_server_is_a_typed_error(server):
    told = run(
        """
from framewire.errors import RefusedError
config.data_output = ["no_such_output"]
try:
    client.webrtc.stream(VideoFileSource(clip), workflow=whole, config=config, options=options).run()
except RefusedError as error:
    print(error.status_code)
""",
        server,
    )
    assert told == ["400"]
