"""A Python function as the worker's workflow: who can use it, what it is told, how it ends.

Not here: what it may return.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from conftest import CLIP_FRAMES, HANG_GUARD, LOCAL, ROOT
from function_workers import ANY, READY, collect, program, stream  # noqa: F401

from framewire import InferenceHTTPClient
from framewire.webrtc import StreamConfig, VideoFileSource
from framewire.worker import FrameMetadata, Worker

HERE = pathlib.Path(__file__).resolve().parent
ORIGINAL = pathlib.Path(os.environ.get("FRAMEWIRE_INTEROP_PYTHON", ROOT / ".venv-interop" / "bin" / "python"))

GREEN_WORKER = """
import numpy as np
from framewire.worker import serve

def process(frame, metadata):
    frame[:] = (10, 200, 10)
    seen = {"number": metadata.frame_id, "level": metadata.workflow_parameters["level"], "sum": np.float32(1.5)}
    return {"image": frame, "seen": seen}

serve(process, port=0)
"""


@pytest.mark.parametrize("job", ["file", "manual"])
@pytest.mark.parametrize("package", ["inference_sdk", "framewire"])
def test_the_original_client_and_ours_get_pictures_and_values_of_a_ten_line_worker(program, clip, package, job):
    worker = program("-c", GREEN_WORKER)
    python = str(ORIGINAL) if package == "inference_sdk" else sys.executable
    done = subprocess.run(
        [python, str(HERE / "worker_client.py"), package, worker.url, job, clip],
        stdout=subprocess.PIPE,
        text=True,
        timeout=2 * HANG_GUARD,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    frames = [line for line in lines if line["kind"] == "frame"]
    seen = [line for line in lines if line["kind"] == "seen"]
    assert lines[-1]["kind"] == "end"
    assert frames and seen
    shape = [272, 640, 3] if job == "file" else [96, 128, 3]
    if job == "file":
        assert [line["id"] for line in frames] == list(range(1, CLIP_FRAMES + 1))
        assert len(seen) == CLIP_FRAMES
    for line in frames:
        blue, green, red = line["colour"]
        assert line["shape"] == shape
        assert blue < 50 and green > 160 and red < 50
    for line in seen:
        assert line["value"] == {"number": line["id"], "level": 7, "sum": 1.5}
    took, status = worker.end(signal.SIGINT)
    assert status == 0
    assert took < 6


def test_the_function_gets_writable_frames_of_its_own_and_what_is_known_of_them(clip):
    got = []

    def process(frame, metadata):
        assert frame.flags.writeable and frame.flags.c_contiguous
        frame[:] = 0
        got.append((frame, metadata))
        return {}

    with Worker(process, port=0) as worker:
        assert worker.url == f"http://127.0.0.1:{worker.port}"
        assert worker.media_port > 0
        collect(worker.url, clip, [], workflow_parameters={"a": [1, {"b": None}]})
    assert len(got) == CLIP_FRAMES
    for number, (frame, metadata) in enumerate(got, 1):
        assert isinstance(metadata, FrameMetadata)
        assert (frame.shape, frame.dtype) == ((272, 640, 3), np.uint8)
        assert metadata.frame_id == number
        assert metadata.pts * metadata.time_base == pytest.approx((number - 1) / 25)
        assert metadata.declared_fps == 25
        assert metadata.measured_fps > 0
        assert metadata.comes_from_video_file is True
        assert metadata.total_frames == CLIP_FRAMES
        assert metadata.received_at.year > 2000
        assert metadata.workflow_parameters == {"a": [1, {"b": None}]}
    # Frames stay what they were after the session and the worker are gone.
    assert sum(int(frame.sum()) for frame, _ in got) == 0


def test_unknown_outputs_are_errors_of_frames_and_names_are_no_ones_business_at_the_start(clip):
    with Worker(lambda frame, metadata: {"a": 1}, port=0) as worker:
        data, errors = collect(worker.url, clip, ["a", "b"])
    assert all(value == {"a": 1} for value in data.values())
    assert len(errors) == CLIP_FRAMES
    assert {tuple(texts) for texts in errors.values()} == {("Output 'b' not found",)}


def test_stop_while_the_function_is_busy_ends_the_client_at_once_and_waits_for_the_call(clip):
    busy, go, ended = threading.Event(), threading.Event(), threading.Event()

    def process(frame, metadata):
        busy.set()
        assert go.wait(HANG_GUARD)
        return {}

    worker = Worker(process, port=0)
    session = stream(worker.url, clip, [])

    def watch():
        try:
            session.run()
        except RuntimeError:
            pass
        ended.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert busy.wait(HANG_GUARD)
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    assert ended.wait(HANG_GUARD), "the client hears of it while the call goes on"
    assert stopper.is_alive(), "stop() waits for the call"
    go.set()
    stopper.join(HANG_GUARD)
    assert not stopper.is_alive()
    watcher.join(HANG_GUARD)
    assert worker.stop() is True, "again: nothing happens"


def test_the_function_itself_may_stop_the_worker(clip):
    returned = threading.Event()

    def process(frame, metadata):
        if metadata.frame_id == 3:
            began = time.monotonic()
            worker.stop()
            assert time.monotonic() - began < 5
            returned.set()
        return {}

    worker = Worker(process, port=0)
    try:
        stream(worker.url, clip, []).run()
    except RuntimeError:
        pass  # it was stopped before the end, and said so
    assert returned.wait(HANG_GUARD)


SLEEPER = """
import sys, threading
from framewire.worker import serve

def process(frame, metadata):
    print("called", flush=True)
    sys.stdin.read()          # until the test says so
    print("returned", flush=True)
    return {}

serve(process, port=0)
print("served", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_is_told_to_end_inside_a_call_waits_for_it_and_ends_in_good_order(clip, number):
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER], stdin=read, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    os.close(read)
    try:
        url = process.stdout.readline().strip()[len(READY) :]
        session = stream(url, clip, [])

        def run():
            try:
                session.run()
            except RuntimeError:
                pass

        runner = threading.Thread(target=run)
        runner.start()
        assert process.stdout.readline() == "called\n"
        process.send_signal(number)
        runner.join(HANG_GUARD)
        assert not runner.is_alive(), "the client's session is over although the call goes on"
        os.close(write)
        write = None
        out, err = process.communicate(timeout=HANG_GUARD)
        assert out.split() == ["returned", "served"]
        # The log may say that a session was ended; nothing went wrong.
        assert not any(word in err for word in ("Traceback", "Exception", "Fatal", "panicked"))
        assert process.returncode == 0
    finally:
        if write is not None:
            os.close(write)
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_worker_within_two_seconds_in_the_middle_of_a_job(program, clip, number):
    worker = program("-c", GREEN_WORKER)
    begun = threading.Event()
    session = stream(worker.url, clip, ["seen"], workflow_parameters={"level": 1})
    session.on_data("seen")(lambda value, metadata: (begun.set(), time.sleep(0.05)))

    def run():
        try:
            session.run()
        except RuntimeError:
            pass

    runner = threading.Thread(target=run)
    runner.start()
    assert begun.wait(HANG_GUARD)
    took, status = worker.end(number)
    assert status == 0
    assert took < 6  # promised are 2 s; three times that is a hang
    runner.join(HANG_GUARD)
    assert not runner.is_alive()


def test_arguments_that_make_no_sense_are_refused_by_kind():
    def process(frame, metadata):
        return {}

    with pytest.raises(TypeError):
        Worker()
    with pytest.raises(TypeError):
        Worker(process, factory=lambda: process)
    with pytest.raises(TypeError):
        Worker("process")
    with pytest.raises(ValueError, match="api_keys"):
        Worker(process, host="0.0.0.0", port=0)
    with pytest.raises(ValueError, match="IP"):
        Worker(process, port=0, public_ips=["nowhere"])
    with pytest.raises(ValueError, match="at least 1"):
        Worker(process, port=0, max_sessions=0)
    with Worker(process, port=0) as worker, pytest.raises(OSError, match="HTTP"):
        Worker(process, port=worker.port)
    with pytest.raises(ValueError):
        worker.stop(-1)


def test_keys_are_asked_for_and_a_full_worker_refuses(clip):
    busy, go = threading.Event(), threading.Event()

    def process(frame, metadata):
        busy.set()
        assert go.wait(HANG_GUARD)
        return {}

    with Worker(process, port=0, api_keys=["secret-key"], max_sessions=1) as worker:
        with pytest.raises(RuntimeError, match="401"):
            stream(worker.url, clip, []).run()
        first = stream(worker.url, clip, [], key="secret-key")
        runner = threading.Thread(target=first.run)
        runner.start()
        assert busy.wait(HANG_GUARD)
        with pytest.raises(RuntimeError, match="429"):
            stream(worker.url, clip, [], key="secret-key").run()
        go.set()
        runner.join(HANG_GUARD)
        assert not runner.is_alive()


def test_the_state_of_a_session_is_freed_when_it_ends(clip):
    class State:
        def __call__(self, frame, metadata):
            return {}

    ended = threading.Event()

    def factory():
        state = State()
        weakref.finalize(state, ended.set)
        return state

    with Worker(factory=factory, port=0) as worker:
        for _ in range(3):
            ended.clear()
            stream(worker.url, clip, []).run()
            assert ended.wait(HANG_GUARD), "freed although the worker goes on"


def test_a_fork_is_told_that_it_cannot_have_the_parents_worker(clip):
    code = """
import os, sys
from framewire.worker import Worker
worker = Worker(lambda frame, metadata: {}, port=0)
child = os.fork()
if child == 0:
    assert worker.stop() is True      # the parent's: nothing happens
    try:
        Worker(lambda frame, metadata: {}, port=0)
    except RuntimeError as error:
        assert "fork" in str(error)
        sys.exit(7)
    sys.exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
import urllib.request
assert urllib.request.urlopen(worker.url + "/healthz").read() == b"ok\\n"
worker.stop()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=HANG_GUARD)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_example_measures_and_draws(program, clip):
    worker = program(str(ROOT / "examples" / "python_worker.py"), PORT="0")
    client = InferenceHTTPClient(api_url=worker.url, api_key=None)
    config = StreamConfig(
        stream_output=["image"], data_output=["brightness"], turn_server=LOCAL, workflow_parameters={"bar": 320}
    )
    levels, bars = [], []
    with client.webrtc.stream(source=VideoFileSource(clip), workflow=ANY, config=config) as session:
        session.on_data("brightness")(lambda value: levels.append(value))
        for frame, _ in session.video():
            green = (frame[5, :, 1] > 200) & (frame[5, :, 2] < 80)
            bars.append(int(green[:320].sum()))
    assert len(levels) == len(bars) == CLIP_FRAMES
    assert all(0 < level < 1 for level in levels)
    assert all(abs(bar - 320 * level) < 12 for bar, level in zip(bars, levels))
    assert re.match(r"http://127\.0\.0\.1:\d+$", worker.url)
