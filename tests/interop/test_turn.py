"""Whole processes through a real coturn: `framewire run` relayed over UDP, TCP and TLS, and the unmodified Python client."""

import json
import os
import subprocess
import threading

import pytest
from conftest import BINARY, crop
from inference_sdk import InferenceHTTPClient
from inference_sdk.webrtc import ManualSource, StreamConfig
from live import paced, picture
from turn import turn_server


@pytest.fixture(scope="module")
def coturn(tmp_path_factory):
    with turn_server(tmp_path_factory.mktemp("coturn")) as server:
        yield server


def relayed(tmp_path, worker, servers, source="test:640x480@30,frames=60", env=None):
    workflow, summary = tmp_path / "w.json", tmp_path / "s.json"
    workflow.write_text(json.dumps(crop(640, 480, 320, 240)))
    command = [str(BINARY), "run", source, "--api-url", worker.url, "--workflow", str(workflow), "--stream-output", "crop"]
    command += ["--relay-only", "--ice-servers", json.dumps(servers), "--summary", str(summary)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})})
    return done, json.loads(summary.read_text())


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_live_video_through_a_relay(own_worker, coturn, tmp_path, transport):
    worker = own_worker(env=coturn.environment())
    done, summary = relayed(tmp_path, worker, coturn.config(transport), env=coturn.environment())
    assert done.returncode == 0, done.stderr
    assert summary["ended"] == "complete" and summary["frames"]["delivered"] >= 20


def test_a_wrong_password_is_named(worker, coturn, tmp_path):
    done, summary = relayed(tmp_path, worker, coturn.config("udp", "wrong-password"))
    assert done.returncode == 3
    assert "127.0.0.1" in done.stderr and "wrong-password" not in done.stderr
    assert summary["ended"] == "error"


def test_a_certificate_nobody_vouches_for_is_named(worker, coturn, tmp_path):
    done, _ = relayed(tmp_path, worker, coturn.config("tls"))
    assert done.returncode == 3 and "certificate" in done.stderr.lower()


def test_the_original_client_with_a_turn_server(worker, coturn):
    source = ManualSource()
    client = InferenceHTTPClient(api_url=worker.url, api_key="test-key")
    config = StreamConfig(stream_output=["crop"], realtime_processing=True, turn_server=coturn.config("udp"))
    session = client.webrtc.stream(source=source, workflow=crop(640, 480, 320, 240), image_input="image", config=config)
    frames = []

    @session.on_frame
    def on_frame(frame, metadata):
        frames.append(frame.shape)
        if len(frames) == 30:
            session.close()

    session._ensure_started()
    pusher = threading.Thread(target=paced, args=(150, 30, lambda number: source.send(picture(number))), daemon=True)
    pusher.start()
    session.run()
    assert frames == [(480, 640, 3)] * 30
