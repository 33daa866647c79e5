"""Runs the binary: a worker, a doctor, a run. Not a test."""

import contextlib
import json
import os
import pathlib
import subprocess
import time
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "target" / "release" / "framewire"
READY = "framewire serve listening on "
# The promise is 20 s; a process that hangs is ended after three times that.
PROMISE, GUARD = 20, 60
# A worker looks for public STUN servers unless told; here it would wait for their names.
QUIET = {"WEBRTC_MODAL_PUBLIC_STUN_SERVERS": ""}


@dataclass
class Place:
    """Where a client stands: its namespace, the worker's URL as it knows it, and what else it is told."""

    namespace: object
    url: str
    options: list = field(default_factory=list)
    environment: dict = field(default_factory=dict)


@dataclass
class Outcome:
    status: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def last_line(self):
        lines = self.stderr.strip().splitlines()
        return lines[-1] if lines else ""


@contextlib.contextmanager
def worker(namespace, listen, *options):
    """A `framewire serve` in a namespace: its URL and its process."""
    command = [str(BINARY), "serve", "--listen", listen, "--insecure", *options]
    with namespace.entered():
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **QUIET}, cwd="/")
    try:
        line = process.stdout.readline().strip()
        assert line.startswith(READY), f"unexpected first line {line!r}"
        yield line.removeprefix(READY), process
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def doctor(place, folder):
    """`framewire doctor --json`: how it ended, and its report."""
    outcome = _client(place, ["doctor", "--json"])
    return outcome, json.loads(outcome.stdout)


def run(place, folder):
    """`framewire run` of a short live source through a workflow that gives the picture back."""
    workflow = folder / "workflow.json"
    workflow.write_text(json.dumps(WORKFLOW))
    command = ["run", "test:320x240@30,frames=30", "--workflow", str(workflow), "--stream-output", "crop"]
    return _client(place, command)


def _client(place, arguments):
    command = [str(BINARY), *arguments, "--api-url", place.url, *place.options]
    begun = time.monotonic()
    with place.namespace.entered():
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/", env={**os.environ, **place.environment}
        )
    try:
        stdout, stderr = process.communicate(timeout=GUARD)
    finally:
        process.kill()
        process.wait(10)
    return Outcome(process.returncode, stdout, stderr, time.monotonic() - begun)


WORKFLOW = {
    "version": "1.0",
    "inputs": [{"type": "InferenceImage", "name": "image"}],
    "steps": [
        {
            "type": "roboflow_core/absolute_static_crop@v1",
            "name": "crop",
            "images": "$inputs.image",
            "x_center": 160,
            "y_center": 120,
            "width": 320,
            "height": 240,
        }
    ],
    "outputs": [{"type": "JsonField", "name": "crop", "selector": "$steps.crop.crops"}],
}
