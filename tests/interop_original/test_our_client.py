"""Our client (`framewire run`) against the unmodified original server (inference-cpu 1.8.3). Run by `make interop`."""

import json
import subprocess
import time

from conftest import BINARY, CLIP, NO_ICE_SERVERS, run, workflow

FRAMES = 250


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
