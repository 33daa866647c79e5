"""Starts the worker under test and offers what the suites share. Nothing here imitates the original."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "target" / "release" / "framewire"
CLIP = ROOT / "assets" / "video" / "bikes.mp4"
MODEL = "ssd-mobilenetv2-oidv4"
READY = "framewire serve listening on "
# Host candidates only: nothing to wait for on a machine without a route to the outside.
NO_ICE_SERVERS = {"iceServers": []}

sys.path.insert(0, str(pathlib.Path(__file__).parent))


class Worker:
    """A `framewire serve` process and its address."""

    def __init__(self, *options, env=None):
        self.process = subprocess.Popen(
            [str(BINARY), "serve", "--listen", "127.0.0.1:0", *options],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        line = self.process.stdout.readline().strip()
        assert line.startswith(READY), f"unexpected first line {line!r}"
        self.url = line.removeprefix(READY)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        return status

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=10)
        self.process.stdout.close()


@pytest.fixture(scope="session")
def worker(tmp_path_factory):
    """One worker for the whole suite; at the end nothing of any upload may be left."""
    uploads = tmp_path_factory.mktemp("uploads")
    worker = Worker("--upload-dir", str(uploads), "--max-sessions", "64")
    yield worker
    assert worker.stop() == 0
    left = [path for path in uploads.rglob("*") if path.is_file()]
    assert left == []


@pytest.fixture(scope="session")
def clip():
    assert CLIP.exists(), "run `make assets`"
    return str(CLIP)


@pytest.fixture
def own_worker():
    """Makes workers of a test's own and ends them with it."""
    started = []

    def start(*options, env=None):
        worker = Worker(*options, env=env)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        if worker.process.poll() is None:
            worker.kill()


def crop(width=80, height=80, x=40, y=40):
    """The smallest useful workflow: a crop, no model."""
    return {
        "version": "1.0",
        "inputs": [{"type": "InferenceImage", "name": "image"}],
        "steps": [
            {
                "type": "roboflow_core/absolute_static_crop@v1",
                "name": "crop",
                "images": "$inputs.image",
                "x_center": x,
                "y_center": y,
                "width": width,
                "height": height,
            }
        ],
        "outputs": [{"type": "JsonField", "name": "crop", "selector": "$steps.crop.crops"}],
    }


def detection(model=MODEL):
    """Object detection on the whole frame; the picture comes back beside the predictions."""
    return {
        "version": "1.0",
        "inputs": [{"type": "InferenceImage", "name": "image"}],
        "steps": [
            {
                "type": "roboflow_core/roboflow_object_detection_model@v2",
                "name": "model",
                "images": "$inputs.image",
                "model_id": model,
            }
        ],
        "outputs": [
            {"type": "JsonField", "name": "predictions", "coordinates_system": "own", "selector": "$steps.model.predictions"},
            {"type": "JsonField", "name": "image", "selector": "$inputs.image"},
        ],
    }
