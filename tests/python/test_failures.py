"""What goes wrong ends with a typed error in the stated time, and never in silence.

Not here: mistakes of handlers.
"""

import socket
import subprocess
import threading

import pytest
from conftest import CROP, HANG_GUARD, LOCAL, Stopwatch, interop

from framewire import InferenceHTTPClient
from framewire.errors import (
    ConfigurationError,
    ConnectError,
    RefusedError,
    SessionClosedError,
    SessionError,
    SourceError,
    SourceMissingError,
    StepTimeoutError,
    WorkerLostError,
)
from framewire.webrtc import Gap, ManualSource, Recovery, SessionOptions, SessionState, StreamConfig, VideoFileSource


def session_with(url, source, *, workflow=CROP, options=None, **config):
    settings = StreamConfig(**{"stream_output": ["crop"], "turn_server": LOCAL, **config})
    return InferenceHTTPClient.init(url).webrtc.stream(source, workflow=workflow, config=settings, options=options)


@pytest.mark.parametrize("how", ["run", "wait", "video", "start"])
def test_a_missing_file_is_found_before_anything_connects(how, tmp_path):
    session = session_with("http://127.0.0.1:9", VideoFileSource(tmp_path / "none.mp4"))
    watch = Stopwatch()
    with pytest.raises(FileNotFoundError, match="none.mp4") as caught:
        list(session.video()) if how == "video" else getattr(session, how)()
    assert isinstance(caught.value, SourceMissingError)
    assert watch.seconds < 5
    assert session.state is SessionState.CLOSED


@pytest.mark.parametrize(("content", "kind"), [(b"", "source_empty"), (b"not a video at all" * 100, "source_not_video")])
def test_a_file_that_is_no_video_is_found_before_anything_connects(content, kind, tmp_path):
    path = tmp_path / "bad.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="bad.mp4") as caught:
        session_with("http://127.0.0.1:9", VideoFileSource(path)).run()
    assert caught.value.kind == kind


def test_nobody_at_the_address_is_a_connect_error_at_once(clip):
    session = session_with("http://user:hush@127.0.0.1:9/", VideoFileSource(clip))
    watch = Stopwatch()
    with pytest.raises(ConnectError, match="127.0.0.1:9") as caught:
        session.run()
    assert (caught.value.kind, session.state) == ("unreachable", SessionState.CLOSED)
    assert (caught.value.step, caught.value.cause) == ("http", "port_closed")
    assert caught.value.advice in str(caught.value)
    assert "hush" not in str(caught.value)
    assert watch.seconds < 10


def test_an_address_that_is_none_is_both_a_parameter_and_a_runtime_error(clip):
    with pytest.raises(ConfigurationError) as caught:
        session_with("not an address", VideoFileSource(clip)).run()
    assert isinstance(caught.value, RuntimeError)


def test_something_that_accepts_but_never_answers_is_a_connect_error_in_time(clip):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        session = session_with(url, VideoFileSource(clip), options=SessionOptions(reach_timeout=1.0))
        watch = Stopwatch()
        with pytest.raises(ConnectError) as caught:
            session.run()
        assert (caught.value.step, caught.value.cause) == ("http", "port_silent")
        assert 0.9 < watch.seconds < 15


def test_a_refused_session_tells_status_and_reason(client, clip):
    session = client.webrtc.stream(
        VideoFileSource(clip), workflow=CROP, config=StreamConfig(data_output=["no_such_output"], turn_server=LOCAL)
    )
    with pytest.raises(RefusedError, match="no_such_output") as caught:
        session.run()
    assert caught.value.status_code == 400
    assert "no_such_output" in caught.value.api_message
    assert (caught.value.step, caught.value.cause) == ("signalling", "worker_refused")


def test_what_json_cannot_express_is_a_parameter_error_that_says_where(client, clip):
    for field, config in (("workflow_parameters", {"workflow_parameters": {"a": object()}}), ("turn_server", {"turn_server": {"a": float("nan")}})):
        with pytest.raises(ConfigurationError, match=field):
            client.webrtc.stream(VideoFileSource(clip), workflow=CROP, config=StreamConfig(**config)).run()


def test_a_closed_session_refuses_everything_that_needs_a_running_one(crop_job):
    session = crop_job()
    session.close()
    for use in (session.run, session.wait, session.start, session.pause, session.reconfigure, lambda: next(session.video())):
        with pytest.raises(SessionClosedError):
            use()
    with pytest.raises(SessionClosedError):
        session.__enter__().run()
    assert session.on_frame(print) is print


@pytest.mark.parametrize("how", ["run", "wait", "video"])
def test_a_killed_worker_ends_a_running_session_within_five_seconds(own_worker, feeder, how):
    worker = own_worker()
    source = ManualSource()
    session = session_with(worker.url, source, workflow=interop.crop(64, 64, 32, 32))
    outcome, running = [], threading.Event()
    session.on_frame(lambda frame, metadata: running.set())
    session.on_data(lambda data: running.set())

    def consume():
        try:
            if how == "video":
                for _ in session.video():
                    running.set()
            else:
                getattr(session, how)()
        except SessionError as error:
            outcome.append(error)

    thread = threading.Thread(target=consume)
    thread.start()
    feeder(source)
    assert running.wait(HANG_GUARD)
    worker.kill()
    watch = Stopwatch()
    thread.join(HANG_GUARD)
    assert not thread.is_alive()
    assert [type(error) for error in outcome] == [WorkerLostError]
    assert watch.seconds < 15
    watch = Stopwatch()
    session.close()
    assert watch.seconds < 6


def test_the_error_of_a_session_reaches_every_consumer(own_worker, feeder):
    worker = own_worker()
    source = ManualSource()
    session = session_with(worker.url, source)
    frames = session.video()
    feeder(source)
    next(frames)
    worker.kill()
    with pytest.raises(WorkerLostError):
        list(frames)
    assert list(frames) == []
    with pytest.raises(WorkerLostError):
        session.wait(timeout=HANG_GUARD)
    session.close()


def serve_at(port):
    """A worker at a known port, as one that is started again."""
    process = subprocess.Popen(
        [str(interop.BINARY), "serve", "--listen", f"127.0.0.1:{port}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout.readline().startswith(interop.READY)
    return process


def end(process):
    process.kill()
    process.wait(10)
    process.stdout.close()


@pytest.mark.timeout(120)
def test_a_session_that_may_reconnect_survives_its_worker_and_tells_the_gap(feeder):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    source = ManualSource()
    options = SessionOptions(recovery=Recovery.reconnect(attempts=40))
    worker, gaps, ids = serve_at(port), [], []
    try:
        with session_with(f"http://127.0.0.1:{port}", source, workflow=interop.crop(64, 64, 32, 32), options=options) as session:
            session.on_gap(lambda gap: gaps.append((gap, len(ids))))
            frames = session.video()
            feeder(source)
            ids += [next(frames)[1].frame_id for _ in range(10)]
            end(worker)
            worker = serve_at(port)
            while not gaps:
                ids.append(next(frames)[1].frame_id)
            ids += [next(frames)[1].frame_id for _ in range(10)]
            assert session.stats()["reconnects"] >= 1
    finally:
        end(worker)
    assert ids == sorted(set(ids))
    (gap, seen), *_ = gaps
    assert isinstance(gap, Gap)
    assert gap.outage > 0 and gap.attempts >= 1 and gap.cause
    assert gap.after is not None and gap.after <= ids[seen]


def test_secrets_appear_in_no_log_and_no_repr(own_worker, clip, caplog):
    worker = own_worker()
    client = InferenceHTTPClient.init(worker.url, api_key="very-secret")
    config = StreamConfig(stream_output=["crop"], turn_server={"iceServers": []})
    with caplog.at_level(0, "framewire"):
        with client.webrtc.stream(VideoFileSource(clip), workflow=CROP, config=config) as session:
            next(session.video())
            assert "very-secret" not in repr(session) + repr(client) + repr(client.webrtc)
    assert "very-secret" not in caplog.text
