"""What the suites of the Python package share: workers to talk to, clients, workflows.

Not here: imitations of anything. Every session runs against a real `framewire serve`.
"""

import importlib.util
import pathlib
import signal
import threading
import time

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

_spec = importlib.util.spec_from_file_location("interop_support", ROOT / "tests" / "interop" / "conftest.py")
interop = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(interop)

from framewire import InferenceHTTPClient  # noqa: E402
from framewire.webrtc import StreamConfig, VideoFileSource  # noqa: E402

# A shell that starts this suite in the background has it ignore SIGINT, and what it starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

CLIP = interop.CLIP
CLIP_FRAMES = 250
HANG_GUARD = 30.0
# Host candidates only: there is nothing to ask on a loopback.
LOCAL = interop.NO_ICE_SERVERS
CROP = interop.crop()
WHOLE = {
    "version": "1.0",
    "inputs": [{"type": "InferenceImage", "name": "image"}],
    "steps": [],
    "outputs": [{"type": "JsonField", "name": "image", "selector": "$inputs.image"}],
}


@pytest.fixture(scope="session")
def worker(tmp_path_factory):
    """One worker for the whole run; at the end nothing of any upload may be left."""
    uploads = tmp_path_factory.mktemp("uploads")
    worker = interop.Worker("--upload-dir", str(uploads), "--max-sessions", "128")
    yield worker
    assert worker.stop() == 0
    assert [path for path in uploads.rglob("*") if path.is_file()] == []


@pytest.fixture
def own_worker():
    """Makes workers of a test's own and ends them with it."""
    started = []

    def start(*options, env=None):
        worker = interop.Worker(*options, env=env)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        if worker.process.poll() is None:
            worker.kill()


@pytest.fixture
def client(worker):
    return InferenceHTTPClient.init(api_url=worker.url)


@pytest.fixture(scope="session")
def clip():
    assert CLIP.exists(), "run `make assets`"
    return str(CLIP)


@pytest.fixture
def crop_job(client, clip):
    """Makes sessions that crop the clip: 250 pictures of 80x80."""

    def make(path=clip, **config):
        config = {"stream_output": ["crop"], "turn_server": LOCAL, **config}
        return client.webrtc.stream(VideoFileSource(path), workflow=CROP, config=StreamConfig(**config))

    return make


@pytest.fixture
def feeder():
    """Pushes numbered pictures into a manual source from its own thread until the session is over."""
    threads = []

    def start(source, count=None, size=(96, 64), interval=0.02):
        stop = threading.Event()

        def feed():
            sent = 0
            while not stop.is_set() and (count is None or sent < count):
                try:
                    source.send(picture(sent, size))
                    sent += 1
                except RuntimeError:
                    # Not started yet, or over.
                    pass
                stop.wait(interval)
            if count is not None:
                source.close()

        thread = threading.Thread(target=feed, daemon=True)
        thread.start()
        threads.append((thread, stop))
        return stop

    yield start
    for thread, stop in threads:
        stop.set()
        thread.join(HANG_GUARD)
        assert not thread.is_alive()


def picture(number, size=(96, 64)):
    """A plain picture whose brightness tells its number."""
    width, height = size
    return np.full((height, width, 3), number * 7 % 256, dtype=np.uint8)


def threads_of(prefix):
    return [each for each in threading.enumerate() if each.name.startswith(prefix)]


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self):
        self._start = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self._start
