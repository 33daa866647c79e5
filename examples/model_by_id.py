"""Runs one model on a video, frame and predictions together: python model_by_id.py [WORKER_URL] [VIDEO] [MODEL]"""

import collections
import sys

from framewire import InferenceHTTPClient
from framewire.webrtc import VideoFileSource

url, video = sys.argv[1:3] if len(sys.argv) > 2 else ("http://localhost:9001", "in.mp4")
model = sys.argv[3] if len(sys.argv) > 3 else "ssd-mobilenetv2-oidv4"

session = InferenceHTTPClient.init(api_url=url).webrtc.stream(
    VideoFileSource(video), model_id=model, task_type="object-detection"
)
seen = collections.Counter()


@session.on_frame
def count(frame, data, metadata):
    if data is not None:
        seen.update(box["class"] for box in data["predictions"])
    if metadata.frame_id == 50:
        session.close()


session.run()
print("found:", ", ".join(f"{count} x {name}" for name, count in seen.most_common(5)))
