"""A client of its own process for test_worker.py: the original package or this one, whichever argument 1 names.

Prints one JSON line for each thing it gets. Arguments: package, url, job ("file" or "manual"), clip.
"""

import importlib
import json
import sys
import threading

import numpy as np

package, url, job, clip = sys.argv[1:5]
api = importlib.import_module(package)
webrtc = importlib.import_module(f"{package}.webrtc")

WORKFLOW = {"version": "1.0", "inputs": [], "steps": [], "outputs": []}
lock = threading.Lock()


def say(**what):
    with lock:
        print(json.dumps(what), flush=True)


source = webrtc.VideoFileSource(clip) if job == "file" else webrtc.ManualSource()
session = api.InferenceHTTPClient(api_url=url, api_key="any").webrtc.stream(
    source=source,
    workflow=WORKFLOW,
    config=webrtc.StreamConfig(
        stream_output=["image"],
        data_output=["seen", "image"] if job == "file" else ["seen"],
        realtime_processing=False,
        workflow_parameters={"level": 7},
        turn_server={"iceServers": []},
    ),
)
# What a manual job waits for before it ends itself.
missing = {"frame", "seen"}
done = threading.Event()


def got(kind):
    missing.discard(kind)
    if job == "manual" and not missing:
        done.set()


@session.on_frame
def on_frame(frame, metadata):
    blue, green, red = (int(value) for value in np.asarray(frame)[20:40, 20:40].mean(axis=(0, 1)))
    say(kind="frame", id=metadata.frame_id, shape=frame.shape, colour=[blue, green, red])
    got("frame")


@session.on_data("seen")
def on_seen(value, metadata):
    say(kind="seen", id=metadata.frame_id, value=value)
    got("seen")


def feed():
    picture = np.full((96, 128, 3), 60, np.uint8)
    while not done.wait(0.03):
        try:
            source.send(picture)
        except RuntimeError:
            continue  # not started yet, or over
    session.close()


if job == "manual":
    threading.Thread(target=feed, daemon=True).start()
session.run()
say(kind="end")
