"""Frames pushed from here: the manual source, a user's own sources, and model mode.

Not here: files.
"""

import asyncio
import queue
import threading
import time

import numpy as np
import pytest
from conftest import CROP, HANG_GUARD, LOCAL, WHOLE, Stopwatch, interop, picture, threads_of

from framewire.errors import ConfigurationError, ConnectError, SessionClosedError
from framewire.webrtc import ManualSource, RTSPSource, SessionOptions, SessionState, StreamConfig, StreamSource, VideoFileSource

PICTURE_BACK = {"stream_output": ["image"], "turn_server": LOCAL}


def stream(client, source, workflow=WHOLE, **config):
    return client.webrtc.stream(source, workflow=workflow, config=StreamConfig(**{**PICTURE_BACK, **config}))


def test_pushed_frames_come_back_on_the_track_with_metadata(client, feeder):
    source = ManualSource()
    session, seen = stream(client, source), []

    @session.on_frame
    def keep(frame, metadata):
        seen.append((frame.shape, metadata.frame_id))
        if len(seen) == 20:
            session.close()

    feeder(source)
    session.run()
    assert {shape for shape, _ in seen} == {(64, 96, 3)}
    ids = [number for _, number in seen]
    assert ids == sorted(set(ids))
    assert session.delivery.mode == "latest" and session.delivery.max_age > 0


def test_ending_the_input_ends_the_stream(client, feeder):
    source = ManualSource()
    with stream(client, source) as session:
        session.start()
        feeder(source, count=15)
        frames = list(session.video())
    assert 1 <= len(frames) <= 15


def test_send_refuses_what_is_no_picture(client):
    source = ManualSource()
    with stream(client, source) as session:
        session.start()
        source.send(picture(1))
        source.send(picture(1)[:, ::2])
        for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)):
            with pytest.raises(ValueError):
                source.send(wrong)
        for wrong in (np.zeros((4, 4, 3), np.float32), [[1, 2, 3]], None, "frame"):
            with pytest.raises(TypeError):
                source.send(wrong)
    with pytest.raises(RuntimeError):
        source.send(picture(1))


def test_a_source_can_be_used_for_one_session_after_the_other(client, feeder):
    source = ManualSource()
    feeder(source)
    for _ in range(2):
        with stream(client, source) as session:
            assert next(session.video())[0].shape == (64, 96, 3)


def test_frames_may_be_sent_from_many_threads(client):
    source = ManualSource()
    with stream(client, source) as session:
        session.start()
        threads = [threading.Thread(target=lambda: [source.send(picture(n)) for n in range(50)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG_GUARD)
            assert not thread.is_alive()
        next(session.video())
        sent = session.stats()["outgoing"]
        assert sent["captured"] <= 400


def test_a_second_thread_at_one_iterator_is_told_and_the_first_goes_on(client):
    source = ManualSource()
    with stream(client, source) as session:
        session.start()
        frames, refused, taken = session.video(), queue.Queue(), queue.Queue()
        frames._cursor = session._open(True, None)

        def take():
            try:
                taken.put(next(frames))
            except RuntimeError as error:
                refused.put(error)

        threads = [threading.Thread(target=take) for _ in range(2)]
        for thread in threads:
            thread.start()
        # There is no frame: one of them waits, the other one must not.
        assert "another thread" in str(refused.get(timeout=HANG_GUARD))
        watch = Stopwatch()
        while taken.empty() and watch.seconds < HANG_GUARD:
            source.send(picture(1))
            threads[0].join(0.02)
            threads[1].join(0.02)
        for thread in threads:
            thread.join(HANG_GUARD)
        assert taken.get_nowait()[0].shape == (64, 96, 3) and refused.empty()
        source.close()
        # Nor is the iteration over for anybody.
        assert all(frame.shape == (64, 96, 3) for frame, _ in frames)


def test_pausing_a_live_session_stops_sending_and_resuming_goes_on(client, feeder):
    source = ManualSource()
    with stream(client, source) as session:
        frames = session.video()
        feeder(source)
        last = next(frames)[1].frame_id

        def sent_when(frames_held):
            """Frames sent by the time so many were held back."""
            watch = Stopwatch()
            while True:
                outgoing = session.stats()["outgoing"]
                if outgoing["dropped"].get("paused", 0) >= frames_held:
                    return outgoing["sent"]
                assert watch.seconds < HANG_GUARD, outgoing
                time.sleep(0.005)

        session.pause()
        sent = sent_when(3)
        # The encoder may still have had one.
        assert sent_when(15) <= sent + 1
        session.resume()
        after = [next(frames)[1].frame_id for _ in range(10)]
        assert after[0] > last and after == sorted(set(after))
        assert session.stats()["outgoing"]["sent"] >= sent + 5


class Track:
    """As an aiortc track looks to the outside."""

    kind = "video"

    def __init__(self, count, interval=0.02, failure=None):
        self.left = count
        self.interval = interval
        self.failure = failure

    async def recv(self):
        await asyncio.sleep(self.interval)
        if self.left == 0:
            raise self.failure or type("MediaStreamError", (Exception,), {})()
        self.left -= 1
        return self

    def to_ndarray(self, format):
        assert format == "bgr24"
        return picture(self.left)


class Own(StreamSource):
    """A user's source with a track."""

    def __init__(self, track):
        self.track = track
        self.events = []

    async def configure_peer_connection(self, pc):
        self.events.append("configure")
        pc.addTrack(self.track)

    def get_initialization_params(self, config):
        self.events.append("parameters")
        return {"declared_fps": 50.0}

    async def cleanup(self):
        self.events.append("cleanup")


def test_a_users_own_source_streams_its_track_and_is_cleaned_up_once(client):
    source = Own(Track(30))
    with stream(client, source) as session:
        frames = list(session.video())
        assert threads_of("framewire-source")
    session.close()
    assert 1 <= len(frames) <= 30
    assert frames[0][1].declared_fps == 50.0
    assert source.events == ["configure", "parameters", "cleanup"]
    assert not threads_of("framewire-source")


def test_a_track_that_fails_ends_the_input_and_says_so(client, caplog):
    source = Own(Track(10, failure=OSError("cable pulled")))
    with stream(client, source) as session:
        session.wait(timeout=HANG_GUARD)
    assert "its input ends here" in caplog.text and "cable pulled" in caplog.text


def test_a_track_that_never_waits_does_not_keep_the_session_from_closing(client):
    source = Own(Track(-1, interval=0))
    session = stream(client, source)
    next(session.video())
    watch = Stopwatch()
    session.close()
    assert watch.seconds < 10
    assert source.events[-1] == "cleanup"


def test_a_source_of_ones_own_may_wrap_one_of_ours(client, clip):
    class Wrapper(StreamSource):
        def __init__(self):
            self.inner = VideoFileSource(clip)

        async def configure_peer_connection(self, pc):
            await self.inner.configure_peer_connection(pc)

        def get_initialization_params(self, config):
            return self.inner.get_initialization_params(config)

    with stream(client, Wrapper(), workflow=CROP, stream_output=["crop"]) as session:
        frames = session.video()
        assert [next(frames)[1].frame_id for _ in range(20)] == list(range(1, 21))


def test_a_source_that_fails_to_configure_ends_the_start_and_is_cleaned_up(client):
    class Fails(Own):
        async def configure_peer_connection(self, pc):
            raise OSError("no camera")

    source = Fails(None)
    session = stream(client, source)
    with pytest.raises(ConnectError, match="OSError: no camera") as caught:
        session.run()
    assert isinstance(caught.value.__cause__, OSError)
    assert source.events == ["cleanup"]
    assert session.state is SessionState.CLOSED


def test_closing_interrupts_a_source_that_is_still_configuring(client):
    waiting = threading.Event()

    class Slow(Own):
        async def configure_peer_connection(self, pc):
            waiting.set()
            try:
                await asyncio.sleep(1000)
            finally:
                self.events.append("cancelled")

    source, errors = Slow(None), []
    session = stream(client, source)

    def run():
        try:
            session.run()
        except SessionClosedError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert waiting.wait(HANG_GUARD)
    session.close()
    thread.join(HANG_GUARD)
    assert not thread.is_alive()
    assert source.events == ["cancelled", "cleanup"]
    assert len(errors) == 1


def test_what_cleanup_raises_reaches_the_first_closer_alone_and_everything_is_released(client):
    class Fails(Own):
        async def cleanup(self):
            raise OSError("stuck device")

    session = stream(client, Fails(Track(-1)))
    session.start()
    with pytest.raises(OSError, match="stuck device"):
        session.close()
    session.close()
    assert not threads_of("framewire-source")


def test_a_timeout_error_of_cleanup_is_its_own_and_reaches_the_closer(client):
    class Fails(Own):
        async def cleanup(self):
            raise TimeoutError("the device did not answer")

    session = stream(client, Fails(Track(-1)))
    session.start()
    with pytest.raises(TimeoutError, match="the device did not answer"):
        session.close()
    assert not threads_of("framewire-source")


def test_a_timeout_error_of_the_sources_code_ends_the_session_like_any_failure(client):
    class Fails(Own):
        def get_initialization_params(self, config):
            raise TimeoutError("the device did not answer")

    source = Fails(Track(-1))
    session = stream(client, source)
    with pytest.raises(TimeoutError, match="the device did not answer"):
        session.start(timeout=HANG_GUARD)
    assert session.state is SessionState.CLOSED
    assert source.events == ["configure", "cleanup"]


def test_taking_frames_of_a_track_after_the_close_is_no_error(client):
    from framewire import _core
    from framewire.webrtc._custom import SourceRunner

    source = Own(Track(-1))
    runner = SourceRunner(source)
    runner.wait_configured(HANG_GUARD)
    runner.close()
    _, sender = _core.Source.custom(True, True)
    runner.begin(sender)
    assert source.events == ["configure", "cleanup"]


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan")])
def test_a_timeout_that_is_no_time_is_refused_and_changes_nothing(client, timeout):
    session = stream(client, ManualSource())
    for call in (session.start, session.wait):
        with pytest.raises(ValueError, match="number of seconds"):
            call(timeout=timeout)
    assert session.state is SessionState.NOT_STARTED


def test_the_sources_own_code_holds_up_nobody_who_closes(client):
    inside, leave, outcome = threading.Event(), threading.Event(), []

    class Slow(ManualSource):
        def get_initialization_params(self, config):
            inside.set()
            leave.wait(HANG_GUARD)
            return super().get_initialization_params(config)

    session = stream(client, Slow())

    def run():
        try:
            session.run()
        except SessionClosedError as error:
            outcome.append(error)

    starter = threading.Thread(target=run)
    starter.start()
    assert inside.wait(HANG_GUARD)
    closer = threading.Thread(target=session.close)
    closer.start()
    closer.join(HANG_GUARD / 2)
    held_up = closer.is_alive()
    leave.set()
    starter.join(HANG_GUARD)
    closer.join(HANG_GUARD)
    assert not held_up
    assert len(outcome) == 1


def test_a_cleanup_that_hangs_does_not_hold_up_close(client, monkeypatch, caplog):
    from framewire.webrtc import _custom

    monkeypatch.setattr(_custom, "CLEANUP_LIMIT", 0.2)
    release = threading.Event()

    class Hangs(Own):
        async def cleanup(self):
            while not release.is_set():
                await asyncio.sleep(0.01)

    session = stream(client, Hangs(Track(-1)))
    session.start()
    watch = Stopwatch()
    session.close()
    release.set()
    assert watch.seconds < 6
    assert "did not end within 0.2 s" in caplog.text


def test_a_source_that_configures_for_ever_is_a_typed_error(client, monkeypatch):
    from framewire.webrtc import _custom

    monkeypatch.setattr(_custom, "CONFIGURE_LIMIT", 0.2)

    class Slow(Own):
        async def configure_peer_connection(self, pc):
            await asyncio.sleep(1000)

    source = Slow(None)
    with pytest.raises(ConnectError, match="did not finish") as caught:
        stream(client, source).run()
    assert caught.value.step == "configuring the source"
    assert source.events == ["cleanup"]


def test_a_stream_read_by_the_worker_that_does_not_exist_is_a_typed_error(client):
    with pytest.raises(RuntimeError) as caught:
        stream(client, RTSPSource("rtsp://user:hush@127.0.0.1:9/none")).run()
    assert "hush" not in str(caught.value)


@pytest.fixture
def detector(client, clip):
    def make(source, **config):
        return client.webrtc.stream(
            source,
            model_id=interop.MODEL,
            task_type="object-detection",
            config=StreamConfig(turn_server=LOCAL, **config),
        )

    return make


@pytest.mark.timeout(120)
def test_model_mode_hands_over_predictions_with_each_frame_of_a_file(detector, clip):
    session = detector(VideoFileSource(clip))
    two, three = [], []

    @session.on_frame
    def pair(frame, data):
        two.append(data)

    @session.on_frame
    def triple(frame, data, metadata):
        three.append((metadata.frame_id, frame.shape))
        if len(three) == 60:
            session.close()

    session.run()
    assert three == [(number, (272, 640, 3)) for number in range(1, 61)]
    assert all(isinstance(data["predictions"], list) and data["image"] == {"width": 640, "height": 272} for data in two)
    assert any(data["predictions"] for data in two)


@pytest.mark.timeout(120)
def test_model_mode_pairs_predictions_with_the_frames_of_a_track(detector, feeder):
    source = ManualSource()
    with detector(source) as session:
        feeder(source, size=(320, 240), interval=0.05)
        frames = session.video()
        pairs = [next(frames) for _ in range(10)]
    assert all(data is None or "predictions" in data for _, data in pairs)
    assert sum(data is not None for _, data in pairs) >= 5


def test_fresh_results_come_newest_last_and_the_stats_count_what_was_lost(client, feeder):
    source, seen = ManualSource(), []
    config = StreamConfig(data_output=["crop"], turn_server=LOCAL)
    session = client.webrtc.stream(source, workflow=CROP, config=config, options=SessionOptions(fresh_results=0.2))

    @session.on_data
    def keep(data, metadata):
        seen.append(metadata.frame_id)
        if len(seen) == 10:
            session.close()

    feeder(source, size=(320, 240))
    session.run()
    assert seen == sorted(set(seen))
    assert set(session.stats()["fresh_results"]) == {"overtaken", "incomplete"}


@pytest.mark.parametrize("given", [0.0, 66.0, -1.0, "soon"])
def test_a_lifetime_of_results_that_makes_no_sense_is_refused(client, given):
    session = client.webrtc.stream(ManualSource(), workflow=CROP, options=SessionOptions(fresh_results=given))
    with pytest.raises(ConfigurationError, match="fresh_results"):
        session.start()


def test_batch_loses_no_results_and_says_so(client, clip):
    session = client.webrtc.stream(VideoFileSource(clip), workflow=CROP, options=SessionOptions(fresh_results=0.2))
    with pytest.raises(ConfigurationError, match="fresh_results.*batch"):
        session.start()
