"""Workers with a Python function, in this process or one of their own, and jobs for them.

Not here: tests.
"""

import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import HANG_GUARD, LOCAL

from framewire import InferenceHTTPClient
from framewire.webrtc import StreamConfig, VideoFileSource

READY = "framewire worker listening on "
# What a client names does not matter to such a worker.
ANY = {"version": "1.0", "inputs": [], "steps": [], "outputs": []}


class Program:
    """A worker in a process of its own."""

    def __init__(self, *command, **env):
        self.process = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, text=True, env={**os.environ, **env}
        )
        line = self.process.stdout.readline().strip()
        assert line.startswith(READY), line
        self.url = line[len(READY) :]

    def end(self, number=signal.SIGTERM):
        """Sends the signal; the seconds until the process ended, and its status."""
        began = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(HANG_GUARD)
        self.process.stdout.close()
        return time.monotonic() - began, status

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(HANG_GUARD)
        self.process.stdout.close()


@pytest.fixture
def program():
    started = []

    def start(*command, **env):
        started.append(Program(*command, **env))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def stream(url, clip, outputs, key=None, **config):
    client = InferenceHTTPClient(api_url=url, api_key=key)
    config = StreamConfig(data_output=list(outputs), turn_server=LOCAL, **config)
    return client.webrtc.stream(source=VideoFileSource(clip), workflow=ANY, config=config)


def collect(url, clip, outputs, **config):
    """The data and the errors of a whole job, by frame."""
    data, errors = {}, {}
    session = stream(url, clip, outputs, **config)

    @session.on_data()
    def on_data(value, metadata):
        data[metadata.frame_id] = value
        if metadata.errors:
            errors[metadata.frame_id] = list(metadata.errors)

    session.run()
    return data, errors
