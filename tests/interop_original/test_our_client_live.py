"""Our client's live sources against the unmodified original server (inference-cpu 1.8.3). Run by `make interop`."""

import json

from conftest import CLIP, run, workflow
from live import MjpegServer, rtmp_stream, rtsp_server

# As shipped, a session of the original answers after 20-30 s; a stream must still be there then.
PORTS = iter(range(18560, 18600))


def whole_picture(tmp_path, width=640, height=480):
    return workflow(tmp_path / "whole.json", width, height)


def live(server, tmp_path, source, *options, size=(640, 480), frames=90):
    data = tmp_path / "out.jsonl"
    options = ["--stream-output", "crop", "--max-frames", str(frames), "--out-data", str(data), *options]
    done, summary = run(server, tmp_path, *options, source=source, definition=whole_picture(tmp_path, *size))
    assert done.returncode == 0, done.stderr
    assert summary["ended"] == "closed" and summary["frames"]["delivered"] == frames
    ids = [json.loads(line)["frame_id"] for line in data.read_text().splitlines()]
    assert ids == sorted(set(ids))
    return summary


def test_numbered_pictures_come_back_and_meet_their_results(server, tmp_path):
    summary = live(server, tmp_path, "test:640x480@30", frames=150)
    assert summary["latency_ms"]["p50"] < 500
    paired = summary["pairing"]
    # An original names no RTP time, so its pairs are never exact.
    assert paired["exact"] == 0 and paired["nearest"] >= 0.9 * 150


def test_a_pushed_source_ends_complete(server, tmp_path):
    definition = whole_picture(tmp_path)
    done, summary = run(
        server, tmp_path, "--stream-output", "crop", source="test:640x480@30,frames=120", definition=definition
    )
    assert done.returncode == 0, done.stderr
    assert summary["ended"] == "complete" and summary["frames"]["delivered"] >= 110


def test_a_camera(server, tmp_path):
    live(server, tmp_path, "webcam:lavfi:testsrc2=size=640x480:rate=30")


def test_rtsp_read_here(server, tmp_path):
    with rtsp_server(next(PORTS)) as url:
        live(server, tmp_path, url + "/test", "--local")


def test_rtsp_read_by_the_original(server, tmp_path):
    with rtsp_server(next(PORTS)) as url:
        live(server, tmp_path, url + "/test")


def test_rtmp_read_here(server, tmp_path):
    with rtmp_stream(next(PORTS), str(CLIP)) as url:
        live(server, tmp_path, url, size=(640, 272))


def test_mjpeg_read_by_the_original(server, tmp_path):
    camera = MjpegServer()
    try:
        live(server, tmp_path, "mjpeg+" + camera.url)
    finally:
        camera.stop()


def test_a_file_with_its_frames_on_the_track(server, tmp_path):
    definition = workflow(tmp_path / "w.json")
    done, summary = run(server, tmp_path, "--stream-output", "crop", "--frames", "track", definition=definition)
    assert done.returncode == 0, done.stderr
    assert summary["ended"] == "complete"
    # The original begins to send before our first keyframe request reaches it.
    assert summary["frames"]["produced"] == 250 and summary["frames"]["delivered"] >= 240


def test_a_file_played_in_realtime_on_the_track(server, tmp_path):
    definition = workflow(tmp_path / "w.json")
    done, summary = run(
        server, tmp_path, "--stream-output", "crop", "--frames", "track", "--realtime", definition=definition
    )
    assert done.returncode == 0, done.stderr
    assert summary["frames"]["delivered"] >= 230 and 9 < summary["seconds"] < 60
