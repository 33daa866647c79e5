"""The unmodified Python client (inference-sdk 1.8.3) sends and receives live video with `framewire serve`."""

import socket
import threading

import pytest
from conftest import MODEL, NO_ICE_SERVERS, crop
from inference_sdk import InferenceHTTPClient
from inference_sdk.webrtc import (
    LocalStreamSource,
    ManualSource,
    MJPEGSource,
    RTSPSource,
    StreamConfig,
    VideoFileSource,
    WebcamSource,
)
from live import MjpegServer, number_in, paced, picture, rtsp_server

WIDTH, HEIGHT, RATE = 640, 480, 30


def passthrough(width=WIDTH, height=HEIGHT):
    """The whole picture as it came."""
    return crop(width, height, width // 2, height // 2)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def open_session(url, source, workflow, **config):
    config = {"stream_output": ["crop"], "realtime_processing": True, "turn_server": NO_ICE_SERVERS, **config}
    client = InferenceHTTPClient(api_url=url, api_key="test-key")
    return client.webrtc.stream(source=source, workflow=workflow, image_input="image", config=StreamConfig(**config))


def collect(session, count, limit=60):
    """Runs the session until `count` frames came or `limit` seconds passed; frames and data messages."""
    frames, data = [], []
    guard = threading.Timer(limit, session.close)

    @session.on_frame
    def on_frame(frame, metadata):
        frames.append((frame, metadata))
        if len(frames) == count:
            session.close()

    @session.on_data()
    def on_data(value, metadata):
        data.append((metadata, value))

    guard.start()
    session.run()
    guard.cancel()
    return frames, data


def push(session, source, count):
    """Sends numbered pictures at camera pace once the session has started; closes it a little after the last one."""

    def sender():
        paced(count, RATE, lambda number: source.send(picture(number)))
        session.close()

    session._ensure_started()
    thread = threading.Thread(target=sender)
    thread.start()
    return thread


def test_pushed_frames_come_back_on_the_track(worker):
    source = ManualSource()
    session = open_session(worker.url, source, passthrough())
    thread = push(session, source, 150)
    frames, data = collect(session, 10_000)
    thread.join()
    numbers = [number_in(frame) for frame, _ in frames]
    # Realtime drops what a busy machine is late for; a third of the frames is the guard here and in what follows.
    # The original's own source holds ten frames back and drops the first ones; what it sends comes back in order.
    assert numbers == sorted(numbers) and len(set(numbers)) >= 40
    assert all(frame.shape == (HEIGHT, WIDTH, 3) for frame, _ in frames)
    ids = [metadata.frame_id for metadata, _ in data]
    assert ids == sorted(set(ids)) and len(ids) >= 40


def test_a_camera_comes_back_on_the_track(worker, clip):
    # OpenCV opens a file as it opens a device; the track paces it like a camera.
    session = open_session(worker.url, WebcamSource(device_id=clip), passthrough(640, 272))
    frames, data = collect(session, 60)
    assert len(frames) == 60 and all(frame.shape == (272, 640, 3) for frame, _ in frames)
    assert all(frame.std() > 20 for frame, _ in frames)
    assert data[0][0].declared_fps == 25.0


def test_data_only_with_a_pushed_source(worker):
    source = ManualSource()
    session = open_session(worker.url, source, passthrough(), stream_output=[], data_output=["crop"])
    thread = push(session, source, 90)
    frames, data = collect(session, 10_000)
    thread.join()
    assert frames == [] and len(data) >= 25
    assert all(value["crop"]["type"] == "base64" for _, value in data)


@pytest.mark.parametrize("mount", ["/test", "/vp8"])
def test_the_worker_reads_rtsp(worker, mount):
    with rtsp_server(free_port()) as url:
        session = open_session(worker.url, RTSPSource(url + mount), passthrough())
        frames, data = collect(session, 60)
    assert len(frames) == 60 and all(frame.shape == (HEIGHT, WIDTH, 3) for frame, _ in frames)
    assert all(frame.std() > 10 for frame, _ in frames)
    assert len(data) >= 15


def test_the_worker_reads_mjpeg(own_worker):
    worker = own_worker(env={"WEBRTC_MJPEG_ALLOW_NON_GLOBAL_ADDRESSES": "true"})
    server = MjpegServer()
    try:
        session = open_session(worker.url, MJPEGSource(server.url), passthrough())
        frames, data = collect(session, 60)
        numbers = [number_in(frame) for frame, _ in frames]
        assert numbers == sorted(set(numbers)) and len(numbers) == 60
        assert len(data) >= 15
        assert server.left.wait(30), "the worker hangs up on the camera when the session ends"
    finally:
        server.stop()


def test_mjpeg_on_a_private_address_is_refused(worker):
    server = MjpegServer()
    try:
        with pytest.raises(RuntimeError) as caught:
            open_session(worker.url, MJPEGSource(server.url), passthrough()).run()
        assert "400" in str(caught.value) and "WEBRTC_MJPEG_ALLOW_NON_GLOBAL_ADDRESSES" in str(caught.value)
    finally:
        server.stop()


def test_an_unreachable_camera_is_an_error_at_the_start(worker):
    url = f"rtsp://user:hunter2@127.0.0.1:{free_port()}/none"
    with pytest.raises(RuntimeError) as caught:
        open_session(worker.url, RTSPSource(url), passthrough()).run()
    assert "hunter2" not in str(caught.value)


def test_a_locally_read_rtsp_stream_comes_back(worker):
    with rtsp_server(free_port()) as url:
        session = open_session(worker.url, LocalStreamSource(url + "/test"), passthrough())
        frames, _ = collect(session, 60)
    assert len(frames) == 60 and all(frame.shape == (HEIGHT, WIDTH, 3) for frame, _ in frames)


def test_a_file_with_its_frames_on_the_track(worker, clip):
    source = VideoFileSource(clip, use_datachannel_frames=False, realtime_processing=False)
    session = open_session(worker.url, source, passthrough(640, 272), realtime_processing=False)
    frames, data = collect(session, 10_000)
    # The original's receiver drops a few of the first frames of any track, and its queue holds 8.
    assert len(frames) >= 80 and frames[0][0].shape == (272, 640, 3)
    assert [metadata.frame_id for metadata, _ in data] == list(range(1, 251))


def test_a_file_played_in_realtime_on_the_track(worker, clip):
    source = VideoFileSource(clip, use_datachannel_frames=False, realtime_processing=True)
    session = open_session(worker.url, source, passthrough(640, 272))
    frames, data = collect(session, 10_000)
    assert len(frames) >= 80
    span = data[-1][0].received_at - data[0][0].received_at
    assert 9.0 < span.total_seconds() < 11.0


def test_predictions_meet_their_frames_in_model_mode(worker):
    source = ManualSource()
    client = InferenceHTTPClient(api_url=worker.url, api_key="test-key")
    session = client.webrtc.stream(
        source=source,
        model_id=MODEL,
        task_type="object-detection",
        config=StreamConfig(turn_server=NO_ICE_SERVERS, realtime_processing=True),
    )
    got = []
    session.on_frame(lambda frame, predictions, metadata: got.append((number_in(frame), predictions)))
    thread = push(session, source, 240)
    session.run()
    thread.join()
    paired = [predictions for _, predictions in got if predictions is not None]
    assert len(got) >= 10 and len(paired) >= 0.8 * len(got)
    assert all(predictions["image"] == {"width": WIDTH, "height": HEIGHT} for predictions in paired)
