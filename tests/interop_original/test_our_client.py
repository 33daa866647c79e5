"""Our client (`framewire run`) against the unmodified original server (inference-cpu 1.8.3). Run by `make interop`."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "target" / "release" / "framewire"
CLIP = ROOT / "assets" / "video" / "bikes.mp4"
PYTHON = ROOT / ".venv-original" / "bin" / "python"
NO_ICE_SERVERS = '{"iceServers": []}'
FRAMES = 250


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
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


def workflow(path, width=640, height=272):
    definition = {
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
    path.write_text(json.dumps(definition))
    return str(path)


def run(server, tmp_path, *options, definition=None):
    summary = tmp_path / "summary.json"
    command = [str(BINARY), "run", str(CLIP), "--api-url", server, "--api-key", "test-key", "--ice-servers", NO_ICE_SERVERS]
    command += ["--workflow", definition or workflow(tmp_path / "workflow.json"), "--summary", str(summary), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    return done, json.loads(summary.read_text())


def test_every_frame_arrives_in_batch_mode(server, tmp_path):
    video, data = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    done, summary = run(server, tmp_path, "--stream-output", "crop", "--out-video", str(video), "--out-data", str(data))
    assert done.returncode == 0, done.stderr
    assert summary["frames"] == {"produced": FRAMES, "delivered": FRAMES, "dropped": {}}
    lines = [json.loads(line) for line in data.read_text().splitlines()]
    assert [line["frame_id"] for line in lines] == list(range(1, FRAMES + 1))
    assert video.stat().st_size > 10_000


def test_data_only(server, tmp_path):
    done, summary = run(server, tmp_path, "--data-output", "crop")
    assert done.returncode == 0, done.stderr
    assert summary["results"] == FRAMES and summary["ended"] == "complete"


def test_a_wrong_output_name_is_a_400_from_the_original(server, tmp_path):
    done, summary = run(server, tmp_path, "--data-output", "nonsense")
    assert done.returncode != 0 and "400" in done.stderr and "nonsense" in done.stderr
    assert summary["ended"] == "error"


def test_max_frames_closes_early(server, tmp_path):
    done, summary = run(server, tmp_path, "--stream-output", "crop", "--max-frames", "20")
    assert done.returncode == 0, done.stderr
    assert summary["ended"] == "closed" and summary["frames"]["delivered"] == 20


def test_a_killed_session_process_is_an_error_within_seconds(server, tmp_path):
    # A marker in the output file's growth tells that frames flow; then the session's process is killed.
    data = tmp_path / "live.jsonl"
    summary = tmp_path / "summary.json"
    command = [str(BINARY), "run", str(CLIP), "--api-url", server, "--api-key", "k", "--ice-servers", NO_ICE_SERVERS]
    command += ["--workflow", workflow(tmp_path / "w.json"), "--stream-output", "crop", "--realtime"]
    command += ["--out-data", "-", "--summary", str(summary)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(20):
        assert process.stdout.readline()
    subprocess.run(["pkill", "-KILL", "-f", "multiprocessing.spawn"], check=True)
    killed = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode == 1
    # The promise is 5 s where the port answers ICMP or HTTP is refused; here HTTP lives on. Hang guard: three times 30 s.
    assert time.monotonic() - killed < 90
    assert json.loads(summary.read_text())["ended"] == "error"
    assert not data.exists()
