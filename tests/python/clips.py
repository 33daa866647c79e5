"""Makes small video files for the tests.

Not here: the real clip, which is an asset.
"""

import av
import numpy as np


def write(path, frames, size=(96, 64), rate=30):
    """A clip of plain pictures whose brightness tells their number. Returns the path as text."""
    width, height = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            pixels = np.full((height, width, 3), number * 7 % 256, dtype=np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="bgr24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return str(path)
