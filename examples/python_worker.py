"""A worker in ten lines: how bright every frame is, and the frame with a bar of that length.

Start it, then stream to http://127.0.0.1:9001 with any client, for instance
`framewire run clip.mp4 --api-url http://127.0.0.1:9001 --stream-output image --data-output brightness`.
"""

import os

from framewire.worker import serve


def process(frame, metadata):
    brightness = frame.mean() / 255
    width = metadata.workflow_parameters.get("bar", frame.shape[1])
    frame[:10, : int(brightness * width)] = (0, 255, 0)
    return {"image": frame, "brightness": brightness}


if __name__ == "__main__":
    serve(process, port=int(os.environ.get("PORT", "9001")))
