"""Our Python package against the unmodified original server (inference-cpu 1.8.3). Run by `make interop`."""

import threading
import time

import numpy as np
import pytest
from conftest import ROOT, crop
from framewire import InferenceHTTPClient
from framewire.webrtc import ManualSource, StreamConfig, VideoFileSource
from live import number_in, paced, picture

CLIP = ROOT / "assets" / "bench" / "v_640x480.mp4"
FRAMES = 300


def stream(server, source, **options):
    config = StreamConfig(turn_server={"iceServers": []}, **options)
    client = InferenceHTTPClient.init(api_url=server, api_key="test-key")
    return client.webrtc.stream(source=source, workflow=crop(640, 480), config=config)


def test_a_slow_handler_gets_all_300_frames_in_order(server):
    session = stream(server, VideoFileSource(str(CLIP)), stream_output=["crop"], realtime_processing=False)
    seen = []

    @session.on_frame
    def slow(frame, metadata):
        assert frame.shape == (480, 640, 3) and frame.dtype == np.uint8
        time.sleep(0.05)  # the user's own slowness is what is tested
        seen.append(metadata.frame_id)

    session.run()
    assert seen == list(range(1, FRAMES + 1))


def test_data_handlers_in_their_three_spellings(server):
    session = stream(server, VideoFileSource(str(CLIP)), data_output=["crop"], realtime_processing=False)
    counts = {"all": 0, "field": 0, "value": 0}

    @session.on_data()
    def everything(data, metadata):
        assert set(data) == {"crop"}
        counts["all"] += 1

    @session.on_data("crop")
    def one(value, metadata):
        assert metadata.frame_id > 0
        counts["field"] += 1

    @session.on_data("crop")
    def alone(value):
        counts["value"] += 1

    session.wait(timeout=120)
    session.close()
    assert counts == {"all": FRAMES, "field": FRAMES, "value": FRAMES}


def test_a_wrong_output_name_is_a_runtime_error_that_shows_the_answer(server):
    session = stream(server, VideoFileSource(str(CLIP)), data_output=["nonsense"], realtime_processing=False)
    with pytest.raises(RuntimeError, match="400.*nonsense"):
        session.run()


def test_pushed_frames_come_back_and_a_second_thread_may_close(server):
    source = ManualSource()
    session = stream(server, source, stream_output=["crop"], realtime_processing=True)
    back = []
    session.start()
    sender = threading.Thread(target=lambda: (paced(90, 30, lambda number: source.send(picture(number, 640, 480))), session.close()))
    sender.start()
    for frame, metadata in session.video():
        back.append(number_in(frame))
    sender.join()
    assert len(set(back) - {None}) > 60


def test_pausing_a_file_job_holds_the_worker(server):
    session = stream(server, VideoFileSource(str(CLIP)), stream_output=["crop"], realtime_processing=False)
    seen = []
    with session:
        for frame, metadata in session.video():
            seen.append(metadata.frame_id)
            if len(seen) == 50:
                session.pause()
                threading.Timer(3, session.resume).start()
    assert seen == list(range(1, FRAMES + 1))
