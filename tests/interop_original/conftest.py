"""The original's HTTP server and a way to run our client against it. Nothing here imitates the original."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "target" / "release" / "framewire"
CLIP = ROOT / "assets" / "video" / "bikes.mp4"
PYTHON = ROOT / ".venv-original" / "bin" / "python"
NO_ICE_SERVERS = '{"iceServers": []}'

sys.path.insert(0, str(ROOT / "tests" / "interop"))  # its servers and pictures serve here too


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The original's HTTP server as shipped: every session starts a process that imports everything, 20-30 s."""
    cwd = tmp_path_factory.mktemp("original")
    for folder in ("static", "_next/static"):  # mounted relative to the working directory
        (cwd / "inference/landing/out" / folder).mkdir(parents=True)
    (cwd / "app.py").write_text(
        "from inference.core.interfaces.http.http_api import HttpInterface\n"
        "from inference.core.managers.base import ModelManager\n"
        "from inference.core.registries.roboflow import RoboflowModelRegistry\n"
        "from inference.models.utils import ROBOFLOW_MODEL_TYPES\n"
        "app = HttpInterface(ModelManager(model_registry=RoboflowModelRegistry(ROBOFLOW_MODEL_TYPES))).app\n"
    )
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": str(cwd),
        "MODEL_CACHE_DIR": str(cwd / "cache"),
        "NUM_WORKERS": "1",
        "LOG_LEVEL": "WARNING",
        "OFFLINE_MODE": "True",
        "WEBRTC_MJPEG_ALLOW_NON_GLOBAL_ADDRESSES": "True",
        **{name: "False" for name in ("METRICS_ENABLED", "ENABLE_STREAM_API", "ACTIVE_LEARNING_ENABLED", "ENABLE_BUILDER")},
        **{name: "False" for name in ("NOTEBOOK_ENABLED", "CORE_MODELS_ENABLED")},
    }
    command = [str(PYTHON), "-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen(command, cwd=cwd, env=environment, start_new_session=True)
    deadline = time.monotonic() + 240
    while True:  # uvicorn prints nothing at this level: its port is the sign
        assert process.poll() is None and time.monotonic() < deadline
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.5)
    yield f"http://127.0.0.1:{port}"
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(timeout=30)


def crop(width=640, height=272):
    """A workflow whose only output is the whole picture."""
    return {
        "version": "1.0",
        "inputs": [{"type": "InferenceImage", "name": "image"}],
        "steps": [
            {
                "type": "roboflow_core/absolute_static_crop@v1",
                "name": "crop",
                "images": "$inputs.image",
                "x_center": width // 2,
                "y_center": height // 2,
                "width": width,
                "height": height,
            }
        ],
        "outputs": [{"type": "JsonField", "name": "crop", "coordinates_system": "own", "selector": "$steps.crop.crops"}],
    }


def workflow(path, width=640, height=272):
    path.write_text(json.dumps(crop(width, height)))
    return str(path)


def run(server, tmp_path, *options, definition=None, source=CLIP):
    """Runs `framewire run`; the finished process and its summary."""
    summary = tmp_path / "summary.json"
    command = [str(BINARY), "run", str(source), "--api-url", server, "--api-key", "test-key", "--ice-servers", NO_ICE_SERVERS]
    command += ["--workflow", definition or workflow(tmp_path / "workflow.json"), "--summary", str(summary), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    return done, json.loads(summary.read_text())
