"""Video files through a real worker: every frame, in order, with its data, whatever the handlers do.

Not here: failures and closing, which have suites of their own.
"""

import functools
import http.server
import logging
import threading
import time

import clips
import numpy as np
import pytest
from conftest import CLIP_FRAMES, CROP, HANG_GUARD, LOCAL, WHOLE, Stopwatch

from framewire import InferenceHTTPClient
from framewire.errors import SessionClosedError
from framewire.http.errors import URLAddressNotAllowedError
from framewire.webrtc import SessionState, StreamConfig, VideoFileSource, VideoMetadata
from framewire.worker import Worker

TWO_OUTPUTS = {**CROP, "outputs": CROP["outputs"] + [{"type": "JsonField", "name": "image_count", "selector": "$inputs.image"}]}


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    return clips.write(tmp_path_factory.mktemp("clips") / "short.mp4", 30)


def test_run_delivers_every_frame_in_order_with_its_metadata(crop_job):
    session, seen = crop_job(), []

    @session.on_frame
    def keep(frame, metadata):
        seen.append((frame.shape, frame.dtype, metadata))

    assert session.state is SessionState.NOT_STARTED
    session.run()
    assert session.state is SessionState.CLOSED
    assert [metadata.frame_id for _, _, metadata in seen] == list(range(1, CLIP_FRAMES + 1))
    assert {(shape, dtype) for shape, dtype, _ in seen} == {((80, 80, 3), np.dtype(np.uint8))}
    first = seen[0][2]
    assert isinstance(first, VideoMetadata)
    assert first.declared_fps == pytest.approx(25.0, rel=0.01)
    assert first.errors == []


def test_the_iterator_gives_the_same_frames_and_leaves_the_session_open(crop_job):
    with crop_job() as session:
        frames = session.video()
        assert iter(frames) is frames
        assert [metadata.frame_id for _, metadata in frames] == list(range(1, CLIP_FRAMES + 1))
        assert session.state is SessionState.STARTED
        assert list(frames) == []
        assert list(session.video()) == []
        session.wait()
    assert session.state is SessionState.CLOSED


def test_frames_belong_to_their_taker_and_stay_after_the_session(crop_job, short):
    with crop_job(short) as session:
        kept = [frame for frame, _ in session.video()]
    before = [int(frame[0, 0, 0]) for frame in kept]
    for frame in kept:
        assert frame.flags.writeable and frame.flags.c_contiguous
    kept[0][:] = 77
    assert [int(frame[0, 0, 0]) for frame in kept[1:]] == before[1:]
    # Each picture is its own: the brightness follows the number.
    assert before == sorted(before) and len(set(before)) >= 25, before


def test_data_handlers_get_every_message_and_pictures_only_by_name(client, short):
    config = StreamConfig(stream_output=["crop"], data_output=["image_count"], turn_server=LOCAL)
    session = client.webrtc.stream(VideoFileSource(short), workflow=TWO_OUTPUTS, config=config)
    everything, pictures = [], []
    session.on_data(lambda data, metadata: everything.append((sorted(data), metadata.frame_id)))
    session.on_data("crop")(pictures.append)
    session.wait()
    session.close()
    assert everything == [(["image_count"], number) for number in range(1, 31)]
    assert len(pictures) == 30
    assert all(each["type"] == "base64" and each["value"] for each in pictures)


def test_a_slow_handler_gets_all_300_frames_in_order(client, tmp_path):
    path = clips.write(tmp_path / "long.mp4", 300)
    session = client.webrtc.stream(
        VideoFileSource(path), workflow=WHOLE, config=StreamConfig(stream_output=["image"], turn_server=LOCAL)
    )
    seen = []

    @session.on_frame
    def slow(frame, metadata):
        time.sleep(0.05)
        seen.append(metadata.frame_id)

    session.run()
    assert seen == list(range(1, 301))
    frames = session.stats()["frames"]
    assert frames["delivered"] == 300
    assert sum(frames["dropped"].values()) == 0


def test_mistakes_of_handlers_are_logged_counted_and_cost_nothing_else(crop_job, short, caplog):
    session, seen = crop_job(short), []

    @session.on_frame
    def fails(frame, metadata):
        raise ValueError("frame mistake")

    @session.on_data
    def fails_too(data):
        raise ValueError("data mistake")

    session.on_frame(lambda frame, metadata: seen.append(metadata.frame_id))
    with caplog.at_level(logging.WARNING, "framewire"):
        session.run()
    assert seen == list(range(1, 31))
    ours = [record for record in caplog.records if record.name == "framewire.webrtc.session"]
    assert len(ours) == 60
    assert all(record.exc_info for record in ours)
    errors = session.errors()
    assert {each.kind for each in errors} == {"handler"}
    assert len(errors) == 60


@pytest.mark.parametrize("where", ["frame", "data"])
def test_an_interrupt_in_a_handler_ends_the_run_and_is_raised(crop_job, where):
    session = crop_job()

    def leave(value, metadata):
        raise KeyboardInterrupt

    (session.on_frame if where == "frame" else session.on_data)(leave)
    with pytest.raises(KeyboardInterrupt):
        session.run()
    assert session.state is SessionState.CLOSED


@pytest.mark.parametrize("use", ["run", "wait", "start", "video"])
def test_an_interrupt_that_nobody_waited_for_is_raised_by_the_next_use(crop_job, short, use):
    session = crop_job(short)
    left = threading.Event()

    @session.on_data
    def leave(data):
        left.set()
        raise SystemExit(3)

    session.start()
    assert left.wait(HANG_GUARD)
    watch = Stopwatch()
    while session._handlers.interrupt is None or session.state is not SessionState.CLOSED:
        assert watch.seconds < HANG_GUARD
        time.sleep(0.01)
    consume = (lambda: next(session.video())) if use == "video" else getattr(session, use)
    with pytest.raises(SystemExit) as raised:
        consume()
    assert raised.value.code == 3
    with pytest.raises(SessionClosedError):
        consume()


def test_an_interrupt_in_upload_progress_ends_the_session_and_is_raised(client, clip):
    def leave(done, total):
        raise KeyboardInterrupt

    source = VideoFileSource(clip, on_upload_progress=leave)
    session = client.webrtc.stream(source, workflow=CROP, config=StreamConfig(data_output=[], turn_server=LOCAL))
    with pytest.raises(KeyboardInterrupt):
        session.wait()
    assert session.state is SessionState.CLOSED


def test_a_mistake_in_upload_progress_is_logged_and_costs_nothing_else(client, short, caplog):
    def fails(done, total):
        raise ValueError("progress mistake")

    source = VideoFileSource(short, on_upload_progress=fails)
    with client.webrtc.stream(source, workflow=CROP, config=StreamConfig(["crop"], turn_server=LOCAL)) as session:
        assert len(list(session.video())) == 30
        assert {each.kind for each in session.errors()} == {"handler"}
    assert "progress mistake" in caplog.text


def test_closing_in_a_handler_ends_the_run_after_that_frame(crop_job):
    session, seen = crop_job(), []

    @session.on_frame
    def enough(frame, metadata):
        seen.append(metadata.frame_id)
        if metadata.frame_id == 10:
            session.stop()

    session.run()
    assert seen == list(range(1, 11))


def test_closing_in_a_data_handler_ends_the_wait(crop_job):
    session = crop_job(data_output=["*"])

    @session.on_data
    def enough(data, metadata):
        if metadata.frame_id == 5:
            session.close()

    session.wait()
    session.close()
    assert session.state is SessionState.CLOSED


def test_errors_of_the_worker_reach_their_handlers_and_the_metadata(short):
    def process(frame, metadata):
        if metadata.frame_id % 2:
            raise ValueError(f"no luck with {metadata.frame_id}")
        return {"image": frame}

    told, attached = [], []
    with Worker(process, port=0) as own:
        client = InferenceHTTPClient.init(api_url=own.url)
        config = StreamConfig(data_output=["*"], turn_server=LOCAL)
        with client.webrtc.stream(VideoFileSource(short), workflow=WHOLE, config=config) as session:
            session.on_error(lambda errors, metadata: told.append((metadata.frame_id, errors)))
            session.on_data(lambda data, metadata: attached.append((metadata.frame_id, metadata.errors)))
            session.wait(timeout=HANG_GUARD)
    assert [number for number, _ in told] == list(range(1, 31, 2))
    assert all(len(errors) == 1 and f"no luck with {number}" in errors[0] for number, errors in told)
    assert [number for number, _ in attached] == list(range(1, 31))
    assert [(number, errors) for number, errors in attached if errors] == told


def test_frames_on_a_track_arrive_with_the_workers_metadata(client, short):
    source = VideoFileSource(short, use_datachannel_frames=False)
    config = StreamConfig(stream_output=["image"], turn_server=LOCAL)
    with client.webrtc.stream(source, workflow=WHOLE, config=config) as session:
        said = [metadata for _, metadata in session.video() if metadata is not None]
    # What the worker said; frames without a message have their own time, in ticks of the track.
    ids = [metadata.frame_id for metadata in said if metadata.time_base != 1 / 90_000]
    assert ids == sorted(ids)
    assert set(ids) <= set(range(1, 31)) and len(ids) >= 20


def test_wait_counts_its_timeout_over_the_whole_call(crop_job):
    with crop_job() as session:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            session.wait(timeout=0.05)
        assert time.monotonic() - started < 10
        assert session.state is SessionState.STARTED
        session.wait(timeout=60)


def test_frame_handlers_are_not_called_outside_run(crop_job, short):
    session, seen = crop_job(short), []
    session.on_frame(lambda frame, metadata: seen.append(frame))
    session.wait()
    session.close()
    assert seen == []


def test_several_consumers_share_the_frames_and_all_see_the_end(crop_job):
    session = crop_job()
    taken = [[], [], []]

    def take(into):
        into.extend(metadata.frame_id for _, metadata in session.video())

    threads = [threading.Thread(target=take, args=(each,)) for each in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)
        assert not thread.is_alive()
    session.close()
    assert sorted(sum(taken, [])) == list(range(1, CLIP_FRAMES + 1))
    assert all(each == sorted(each) for each in taken)


def test_concurrent_starters_share_one_start(crop_job, short):
    session = crop_job(short)
    threads = [threading.Thread(target=session.start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert session.state is SessionState.STARTED
    assert [metadata.frame_id for _, metadata in session.video()] == list(range(1, 31))
    session.close()


def test_the_configuration_counts_as_it_is_at_the_start(crop_job, short):
    session = crop_job(short)
    session._config.stream_output = []
    session._config.data_output = ["crop"]
    keys = []
    session.on_data(lambda data: keys.append(list(data)))
    session.wait()
    session.close()
    assert keys == [["crop"]] * 30


def test_pause_holds_the_job_and_resume_finishes_it(crop_job):
    with crop_job() as session:
        frames = session.video()
        first = [next(frames)[1].frame_id for _ in range(5)]
        session.pause()
        assert session.paused
        held = session.stats()["frames"]["produced"]
        session.resume()
        rest = [metadata.frame_id for _, metadata in frames]
    assert first + rest == list(range(1, CLIP_FRAMES + 1))
    assert held < CLIP_FRAMES
    assert not session.paused


def test_a_paused_session_starts_paused_and_gives_nothing_until_it_is_resumed(crop_job, short):
    with crop_job(short) as session:
        session.pause()
        with pytest.raises(TimeoutError):
            session.wait(timeout=1.0)
        assert session.stats()["frames"]["delivered"] <= 1
        session.resume()
        session.wait(timeout=30)


def test_reconfigure_changes_what_comes_back_in_mid_stream(client, clip):
    config = StreamConfig(stream_output=["crop"], data_output=[], turn_server=LOCAL)
    session, seen = client.webrtc.stream(VideoFileSource(clip), workflow=TWO_OUTPUTS, config=config), []
    session.on_data(lambda data, metadata: seen.append((metadata.frame_id, "image_count" in (data or {}))))
    with session:
        frames = session.video()
        next(frames)
        session.reconfigure(data_output=["image_count"])
        assert len(list(frames)) == CLIP_FRAMES - 1
    assert [number for number, _ in seen] == list(range(1, CLIP_FRAMES + 1))
    visible = [there for _, there in seen]
    # Once, and for the rest of the stream.
    assert not visible[0] and visible[-1] and visible == sorted(visible)


def test_statistics_account_for_every_frame_and_say_the_delivery(crop_job, short):
    session = crop_job(short)
    assert session.stats() == {} and session.errors() == [] and session.delivery is None
    session.run()
    frames = session.stats()["frames"]
    assert frames["received"] == frames["delivered"] + frames["dropped_after_receipt"] == 30
    assert str(session.delivery) == "lossless"
    assert session.stats()["upload"]["complete"]


def test_upload_progress_is_told_in_order_to_the_end(client, clip):
    told = []
    source = VideoFileSource(clip, on_upload_progress=lambda done, total: told.append((done, total)))
    config = StreamConfig(data_output=[], turn_server=LOCAL)
    with client.webrtc.stream(source, workflow=CROP, config=config) as session:
        session.wait()
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] > 1
    assert {total for _, total in told} == {told[-1][1]}


def test_a_subclass_can_change_the_request(client, short):
    class Mine(VideoFileSource):
        def get_initialization_params(self, config):
            return {**super().get_initialization_params(config), "data_output": ["crop"]}

    keys = []
    session = client.webrtc.stream(Mine(short), workflow=CROP, config=StreamConfig(turn_server=LOCAL))
    session.on_data(lambda data: keys.append(list(data)))
    session.wait()
    session.close()
    assert keys == [["crop"]] * 30


@pytest.fixture
def web(short):
    """Serves the folder of the short clip on a loopback address."""
    import pathlib

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            return None

    handler = functools.partial(Quiet, directory=str(pathlib.Path(short).parent))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/short.mp4"
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_a_url_is_downloaded_with_progress_and_only_where_the_rules_allow_it(client, web, tmp_path, monkeypatch):
    monkeypatch.setenv("INFERENCE_SDK_VIDEO_CACHE_DIR", str(tmp_path))
    told = []

    def leave(done, total):
        raise KeyboardInterrupt

    def job(progress=lambda done, total: told.append((done, total))):
        source = VideoFileSource(web, on_download_progress=progress)
        return client.webrtc.stream(source, workflow=CROP, config=StreamConfig(stream_output=["crop"], turn_server=LOCAL))

    with pytest.raises(URLAddressNotAllowedError, match="ALLOW_URL_TO_NON_GLOBAL_ADDRESSES"):
        job().run()
    monkeypatch.setenv("ALLOW_URL_TO_NON_GLOBAL_ADDRESSES", "true")
    with job() as session:
        assert len(list(session.video())) == 30
    assert told[-1][0] == told[-1][1] > 1000
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setenv("INFERENCE_SDK_VIDEO_CACHE_DIR", str(tmp_path / "empty"))
    with pytest.raises(KeyboardInterrupt):
        job(leave).run()


def test_a_queue_without_a_limit_is_the_longest_there_is(crop_job, monkeypatch):
    monkeypatch.setenv("WEBRTC_VIDEO_QUEUE_MAX_SIZE", "0")
    monkeypatch.setattr("framewire.config.WEBRTC_VIDEO_QUEUE_MAX_SIZE", 0)
    with crop_job(realtime_processing=False) as session:
        assert sum(1 for _ in session.video()) == CLIP_FRAMES
