"""A Python function as the worker's workflow: what it gets, what it may return, how it ends."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from framewire import InferenceHTTPClient
from framewire.webrtc import StreamConfig, VideoFileSource
from framewire.worker import FrameMetadata, Worker

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FRAMES = 250
ORIGINAL = pathlib.Path(os.environ.get("FRAMEWIRE_INTEROP_PYTHON", ROOT / ".venv-interop" / "bin" / "python"))
READY = "framewire worker listening on "
LOCAL = {"iceServers": []}
ANY = {"version": "1.0", "inputs": [], "steps": [], "outputs": []}
# Nothing takes so long unless it hangs.
GUARD = 30.0

GREEN_WORKER = """
import numpy as np
from framewire.worker import serve

def process(frame, metadata):
    frame[:] = (10, 200, 10)
    seen = {"number": metadata.frame_id, "level": metadata.workflow_parameters["level"], "sum": np.float32(1.5)}
    return {"image": frame, "seen": seen}

serve(process, port=0)
"""


class Program:
    """A worker in a process of its own."""

    def __init__(self, *command, **env):
        self.process = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, text=True, env={**os.environ, **env}
        )
        line = self.process.stdout.readline().strip()
        assert line.startswith(READY), line
        self.url = line[len(READY) :]

    def line(self):
        return self.process.stdout.readline().strip()

    def end(self, number=signal.SIGTERM):
        """Sends the signal; the seconds until the process ended, and its status."""
        began = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(GUARD)
        self.process.stdout.close()
        return time.monotonic() - began, status

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(GUARD)
        self.process.stdout.close()


@pytest.fixture
def program():
    started = []

    def start(*command, **env):
        started.append(Program(*command, **env))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def stream(url, clip, outputs, pictures=(), **config):
    client = InferenceHTTPClient(api_url=url, api_key=None)
    config = StreamConfig(data_output=list(outputs), stream_output=list(pictures), turn_server=LOCAL, **config)
    return client.webrtc.stream(source=VideoFileSource(clip), workflow=ANY, config=config)


def collect(url, clip, outputs, **config):
    """The data and the errors of a whole job, by frame."""
    data, errors = {}, {}
    session = stream(url, clip, outputs, **config)

    @session.on_data()
    def on_data(value, metadata):
        data[metadata.frame_id] = value
        if metadata.errors:
            errors[metadata.frame_id] = list(metadata.errors)

    session.run()
    return data, errors


@pytest.mark.parametrize("job", ["file", "manual"])
@pytest.mark.parametrize("package", ["inference_sdk", "framewire"])
def test_the_original_client_and_ours_get_pictures_and_values_of_a_ten_line_worker(program, clip, package, job):
    worker = program("-c", GREEN_WORKER)
    python = str(ORIGINAL) if package == "inference_sdk" else sys.executable
    done = subprocess.run(
        [python, str(HERE / "worker_client.py"), package, worker.url, job, clip],
        stdout=subprocess.PIPE,
        text=True,
        timeout=2 * GUARD,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    frames = [line for line in lines if line["kind"] == "frame"]
    seen = [line for line in lines if line["kind"] == "seen"]
    assert lines[-1]["kind"] == "end"
    assert frames and seen
    shape = [272, 640, 3] if job == "file" else [96, 128, 3]
    if job == "file":
        assert [line["id"] for line in frames] == list(range(1, FRAMES + 1))
        assert len(seen) == FRAMES
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
    assert len(got) == FRAMES
    for number, (frame, metadata) in enumerate(got, 1):
        assert isinstance(metadata, FrameMetadata)
        assert (frame.shape, frame.dtype) == ((272, 640, 3), np.uint8)
        assert metadata.frame_id == number
        assert metadata.pts * metadata.time_base == pytest.approx((number - 1) / 25)
        assert metadata.declared_fps == 25
        assert metadata.measured_fps > 0
        assert metadata.comes_from_video_file is True
        assert metadata.total_frames == FRAMES
        assert metadata.received_at.year > 2000
        assert metadata.workflow_parameters == {"a": [1, {"b": None}]}
    # Frames stay what they were after the session and the worker are gone.
    assert sum(int(frame.sum()) for frame, _ in got) == 0


VALUES = {
    "none": (None, None),
    "bool": (True, True),
    "numpy bool": (np.bool_(False), False),
    "int": (-3, -3),
    "large": (2**64 - 1, 2**64 - 1),
    "numpy int": (np.int16(5), 5),
    "float": (1.25, 1.25),
    "float32": (np.float32(0.5), 0.5),
    "nan": (float("nan"), None),
    "infinities": ([np.inf, -np.inf], [None, None]),
    "text": ("naïve \ud83d\ude00" "\U0001f600", None),
    "tuple": ((1, "a"), [1, "a"]),
    "boxes": (np.array([[1.5, 2.0], [3.0, 4.0]], np.float32), [[1.5, 2.0], [3.0, 4.0]]),
    "one dimension of bytes": (np.arange(3, dtype=np.uint8), [0, 1, 2]),
    "empty picture": (np.zeros((0, 4, 3), np.uint8), []),
    "array of no dimension": (np.array(7), 7),
    "nested": ({"a": [{"b": np.int64(1)}], "c": {}}, {"a": [{"b": 1}], "c": {}}),
    "keys": ({1: "a", None: "b", True: "c", np.int64(3): "d", 0.5: "e"}, {"1": "c", "null": "b", "3": "d", "0.5": "e"}),
    "": ("an output without a name", "an output without a name"),
}
# A lone surrogate cannot be sent; what arrives is told apart from it.
VALUES["text"] = ("naïve \U0001f600 \0", "naïve \U0001f600 \0")

CYCLE = []
CYCLE.append(CYCLE)
WRONG = {
    "set": ({1}, "output 'set' holds a set"),
    "bytes": (b"x", "output 'bytes' holds a bytes"),
    "object": (threading.Lock(), "output 'object' holds a _thread.lock"),
    "class in a list": ([1, [object]], "output 'class in a list' holds a type"),
    "complex": (np.complex64(1), "output 'complex' holds a complex"),
    "too large": (2**64, "output 'too large' holds an integer of more than 64 bits"),
    "cycle": (CYCLE, "output 'cycle' is nested too deeply, or contains itself"),
    "four channels": (np.zeros((500, 600, 4), np.uint8), "output 'four channels' holds an array of shape [500, 600, 4]"),
    "objects": (np.array([object()]), "output 'objects' holds a object"),
    "key": ({(1, 2): 3}, "output 'key' has a key that is a tuple, not str"),
    "long": ([0] * 1_000_001, "output 'long' has more than 1000000 items"),
}


def test_values_of_every_kind_arrive_as_json_and_anything_else_is_an_error_that_names_it(clip):
    right, wrong = list(VALUES), list(WRONG)

    def process(frame, metadata):
        at = (metadata.frame_id - 1) % (len(right) + len(wrong))
        if at < len(right):
            return {right[at]: VALUES[right[at]][0]}
        name = wrong[at - len(right)]
        return {"fine": 1, name: WRONG[name][0]}

    with Worker(process, port=0) as worker:
        data, errors = collect(worker.url, clip, ["*"])
    assert len(data) == FRAMES
    for number, value in data.items():
        at = (number - 1) % (len(right) + len(wrong))
        if at < len(right):
            assert value == {right[at]: VALUES[right[at]][1]}
            assert number not in errors
        else:
            assert value is None
            (text,) = errors[number]
            assert text.startswith("TypeError: " + WRONG[wrong[at - len(right)]][1])


def test_pictures_of_any_layout_and_grey_ones_arrive_as_they_are(clip):
    base = np.zeros((272, 640, 3), np.uint8)
    base[:, :320] = (0, 0, 250)
    base[:, 320:] = (250, 0, 0)
    made = {
        "whole": base,
        "flipped": base[:, ::-1],
        "every second": base[::2, ::2],
        "transposed": base.transpose(1, 0, 2),
        "read only": np.broadcast_to(np.array([0, 0, 250], np.uint8), (20, 30, 3)),
        "grey": np.full((24, 32), 77, np.uint8),
        "grey column": np.full((24, 64), 77, np.uint8)[:, ::3],
        "one pixel": np.full((1, 1, 3), 9, np.uint8),
    }
    names = list(made)

    def process(frame, metadata):
        return {"picture": made[names[metadata.frame_id % len(names)]]}

    checked = 0
    with Worker(process, port=0) as worker:
        client = InferenceHTTPClient(api_url=worker.url, api_key=None)
        config = StreamConfig(stream_output=["picture"], turn_server=LOCAL)
        with client.webrtc.stream(source=VideoFileSource(clip), workflow=ANY, config=config) as session:
            for frame, metadata in session.video():
                wanted = made[names[metadata.frame_id % len(names)]]
                if wanted.ndim == 2:
                    wanted = np.repeat(wanted[:, :, None], 3, axis=2)
                assert frame.shape == wanted.shape
                # JPEG: plain areas stay within a few steps.
                close = np.abs(frame.astype(int) - wanted.astype(int)).max(axis=2) < 12
                assert close.mean() > 0.95
                checked += 1
    assert checked == FRAMES


def test_exceptions_and_wrong_results_are_errors_of_their_frame_and_the_first_are_logged(clip, caplog):
    def process(frame, metadata):
        step = metadata.frame_id % 5
        if step == 0:
            raise ValueError(f"frame {metadata.frame_id}")
        if step == 1:
            return None
        if step == 2:
            return {3: "x"}
        if step == 3:
            raise KeyError
        return {"number": metadata.frame_id}

    with Worker(process, port=0) as worker:
        data, errors = collect(worker.url, clip, ["number"])
    for number, value in data.items():
        step = number % 5
        text = [
            f"ValueError: frame {number}",
            "TypeError: process() returned a NoneType, not a dict of outputs",
            "TypeError: the name of an output is a int, not str",
            "KeyError",
        ]
        if step == 4:
            assert value == {"number": number}
            assert number not in errors
        else:
            assert errors[number] == [text[step]]
    records = [record for record in caplog.records if record.name == "framewire.worker"]
    assert len(records) == 5
    assert all(record.exc_info for record in records)
    assert "further ones" in records[-1].getMessage()


def test_a_factory_gives_every_session_a_state_of_its_own_on_one_thread(clip):
    class Counter:
        made = []

        def __init__(self):
            self.thread = threading.get_ident()
            self.count = 0
            Counter.made.append(self)

        def __call__(self, frame, metadata):
            assert threading.get_ident() == self.thread
            self.count += 1
            return {"count": self.count}

    with Worker(factory=Counter, port=0) as worker:
        results = [None, None]

        def job(index):
            results[index] = collect(worker.url, clip, ["count"])

        threads = [threading.Thread(target=job, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * GUARD)
        for data, errors in results:
            assert errors == {}
            assert [data[number]["count"] for number in sorted(data)] == list(range(1, FRAMES + 1))
    assert len(Counter.made) == 2


def test_a_factory_that_fails_is_an_error_of_each_frame_and_tried_again(clip, caplog):
    tries = []

    def factory():
        tries.append(1)
        if len(tries) < 3:
            raise OSError("no model here")
        if len(tries) == 3:
            return "no function"
        return lambda frame, metadata: {"ok": True}

    with Worker(factory=factory, port=0) as worker:
        data, errors = collect(worker.url, clip, ["ok"])
    assert errors == {
        1: ["OSError: no model here"],
        2: ["OSError: no model here"],
        3: ["TypeError: the factory returned str, not a callable"],
    }
    assert data[4] == {"ok": True} and len(data) == FRAMES


def test_unknown_outputs_are_errors_of_frames_and_names_are_no_ones_business_at_the_start(clip):
    with Worker(lambda frame, metadata: {"a": 1}, port=0) as worker:
        data, errors = collect(worker.url, clip, ["a", "b"])
    assert all(value == {"a": 1} for value in data.values())
    assert len(errors) == FRAMES
    assert {tuple(texts) for texts in errors.values()} == {("Output 'b' not found",)}


def test_stop_while_the_function_is_busy_ends_the_client_at_once_and_waits_for_the_call(clip):
    busy, go, ended = threading.Event(), threading.Event(), threading.Event()

    def process(frame, metadata):
        busy.set()
        assert go.wait(GUARD)
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
    assert busy.wait(GUARD)
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    assert ended.wait(GUARD), "the client hears of it while the call goes on"
    assert stopper.is_alive(), "stop() waits for the call"
    go.set()
    stopper.join(GUARD)
    assert not stopper.is_alive()
    watcher.join(GUARD)
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
    assert returned.wait(GUARD)


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
def test_a_process_that_is_told_to_end_inside_a_call_waits_for_it_and_ends_in_good_order(program, clip, number):
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
        runner.join(GUARD)
        assert not runner.is_alive(), "the client's session is over although the call goes on"
        os.close(write)
        write = None
        out, err = process.communicate(timeout=GUARD)
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
    assert begun.wait(GUARD)
    took, status = worker.end(number)
    assert status == 0
    assert took < 6  # promised are 2 s; three times that is a hang
    runner.join(GUARD)
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
    with Worker(lambda frame, metadata: {}, port=0, api_keys=["secret-key"], max_sessions=1) as worker:
        with pytest.raises(RuntimeError, match="401"):
            stream(worker.url, clip, []).run()


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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=GUARD)
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
    assert len(levels) == len(bars) == FRAMES
    assert all(0 < level < 1 for level in levels)
    assert all(abs(bar - 320 * level) < 12 for bar, level in zip(bars, levels))
    assert re.match(r"http://127\.0\.0\.1:\d+$", worker.url)
