"""The native module by itself: frames without a copy, waits without the GIL, logging, forks, the command line.

Not here: the package on top of it, which the other suites of this folder test.
"""

import asyncio
import contextlib
import gc
import json
import signal
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

from framewire import _core

CLIP_FRAMES = 250
HANG_GUARD = 30.0
FRAME_BYTES = 1280 * 720 * 3
WORKFLOW = {
    "version": "1.0",
    "inputs": [{"type": "InferenceImage", "name": "image"}],
    "steps": [
        {
            "type": "roboflow_core/absolute_static_crop@v1",
            "name": "crop",
            "images": "$inputs.image",
            "x_center": 40,
            "y_center": 40,
            "width": 80,
            "height": 80,
        }
    ],
    "outputs": [
        {"type": "JsonField", "name": "crop", "selector": "$steps.crop.crops"},
        {"type": "JsonField", "name": "image", "selector": "$inputs.image"},
    ],
}


def frames():
    return getattr(_core, "__TestFrames")()


def make(url, source, **arguments):
    arguments.setdefault("stream_output", ["image"])
    return _core.Session(
        api_url=url,
        source=source,
        workflow_configuration=json.dumps({"workflow_specification": WORKFLOW}),
        turn_server=json.dumps({"iceServers": []}),
        **arguments,
    )


def file_source(path, **callbacks):
    return _core.Source.file(path, True, False, True, **callbacks)


def drain(session):
    """Every item until the end; closes the session."""
    cursor = session.cursor()
    items = []
    while True:
        item = cursor.next(HANG_GUARD)
        if item is None:
            session.close()
            return items
        items.append(item)


def test_a_file_job_delivers_every_frame_as_a_writable_array(worker, clip):
    calls = []
    progress = []
    session = make(
        worker.url, file_source(clip, on_upload_progress=lambda *counts: progress.append(counts)), data_output=["crop"]
    )
    assert session.state == "not_started"
    session.set_callbacks(on_result=lambda result: calls.append((result.names(), result.metadata[0])))
    items = drain(session)
    assert session.state == "closed"
    assert [item[1][0] for item in items] == list(range(1, CLIP_FRAMES + 1))
    for frame, metadata, data, pairing, age, pts in items:
        assert frame.shape == (272, 640, 3) and frame.dtype == np.uint8
        assert frame.flags.writeable and frame.flags.c_contiguous
        assert (data, pairing, age) == (None, "exact", None)
        assert pts == metadata[2] is not None
        assert metadata[6] == []
    assert calls == [(["crop", "image"], frame) for frame in range(1, CLIP_FRAMES + 1)]
    assert progress[0][0] == 1 and progress[-1][0] == progress[-1][1]
    counts = json.loads(session.stats())["frames"]
    assert (counts["delivered"], counts["dropped"], counts["in_flight"]) == (CLIP_FRAMES, {}, 0)
    # The pixels outlive the session, and can be written to.
    items[-1][0][:] = 7
    assert items[-1][0].sum() == 7 * 272 * 640 * 3


def test_an_unshared_frame_crosses_without_a_copy_and_its_memory_returns_to_the_pool():
    pool = frames()
    for _ in range(1000):
        array, address = pool.make(1280, 720)
        assert array.ctypes.data == address
        assert array.flags.writeable and not array.flags.owndata
        assert pool.live_bytes == FRAME_BYTES
        view = array[10:20]
        del array
        assert pool.live_bytes == FRAME_BYTES, "a view keeps the pixels"
        del view
        assert pool.live_bytes == 0
    assert pool.allocated == 1


def test_a_shared_frame_is_copied_before_anybody_can_write_to_it():
    array, address = frames().make(64, 48, shared=True)
    assert array.ctypes.data != address
    assert (array == [1, 2, 3]).all()
    array[:] = 0


def test_a_view_into_a_larger_frame_is_packed():
    array, _ = frames().make(101, 77, cropped=True)
    assert array.shape == (77, 101, 3) and array.flags.c_contiguous
    assert (array == [1, 2, 3]).all()


def test_handing_over_a_frame_costs_far_less_than_copying_it():
    times = sorted(frames().time(1280, 720, 2000))
    picture = np.zeros((720, 1280, 3), np.uint8)
    began = time.perf_counter()
    for _ in range(20):
        picture.copy()
    copy = (time.perf_counter() - began) / 20
    assert times[len(times) // 2] < copy / 5


def test_pictures_of_any_layout_go_in_and_other_arrays_are_refused():
    pool = frames()
    picture = np.random.default_rng(5).integers(0, 255, (71, 33, 3), dtype=np.uint8)
    read_only = picture.copy()
    read_only.flags.writeable = False
    for layout in (
        picture,
        picture[::-1],
        picture[:, ::2],
        picture[3:60, 5:20],
        picture[..., ::-1],
        np.asfortranarray(picture),
        read_only,
    ):
        assert (pool.echo(layout) == layout).all()
    for refused, error in (
        (picture[..., 0], ValueError),
        (picture[:0], ValueError),
        (np.zeros((4, 4, 4), np.uint8), ValueError),
        (np.zeros((1, 20_000, 3), np.uint8), ValueError),
        (picture.astype(np.float32), TypeError),
        (picture.tolist(), TypeError),
        (None, TypeError),
    ):
        with pytest.raises(error):
            pool.echo(refused)


def test_an_exception_of_a_callback_is_reported_and_the_session_goes_on(worker, clip, monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: reported.append(type(report.exc_value)))
    session = make(worker.url, file_source(clip))

    def broken(_result):
        raise ValueError("mine")

    session.set_callbacks(on_result=broken)
    assert len(drain(session)) == CLIP_FRAMES
    assert reported == [ValueError] * CLIP_FRAMES


def test_closing_from_a_callback_and_from_another_thread_ends_the_iteration(worker, clip):
    session = make(worker.url, file_source(clip))
    session.set_callbacks(on_result=lambda result: session.close() if result.metadata[0] == 20 else None)
    assert len(drain(session)) < CLIP_FRAMES

    source, sender = _core.Source.manual()
    session = make(worker.url, source)
    assert session.start(HANG_GUARD)
    closing = threading.Timer(0.2, session.close)
    closing.start()
    assert drain(session) == []
    closing.join()
    with pytest.raises(RuntimeError):
        sender.send(np.zeros((48, 64, 3), np.uint8))


def test_a_wait_for_a_frame_ends_at_its_deadline_and_can_be_repeated(worker):
    source, sender = _core.Source.manual()
    session = make(worker.url, source)
    cursor = session.cursor()
    assert session.start(HANG_GUARD)
    for _ in range(2):
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            cursor.next(0.1)
        assert 0.1 <= time.monotonic() - began < 5
    assert cursor.poll() is NotImplemented
    sender.send(np.zeros((240, 320, 3), np.uint8))
    picture, *_, pts = cursor.next(HANG_GUARD)
    assert picture.shape == (240, 320, 3)
    assert isinstance(pts, int), "a frame of a track has a time of its own"
    with pytest.raises(ValueError):
        cursor.next(-1.0)
    sender.close()
    assert cursor.next(HANG_GUARD) is None
    session.close()


def test_the_descriptor_of_a_cursor_drives_an_event_loop(worker, clip):
    session = make(worker.url, file_source(clip))
    cursor = session.cursor()

    async def take_all():
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(cursor.fileno(), ready.set)
        seen = 0
        try:
            while True:
                item = cursor.poll()
                if item is None:
                    return seen
                if item is NotImplemented:
                    ready.clear()
                    await asyncio.wait_for(ready.wait(), HANG_GUARD)
                else:
                    seen += 1
        finally:
            loop.remove_reader(cursor.fileno())

    assert asyncio.run(take_all()) == CLIP_FRAMES
    session.close()


def test_one_thread_waits_at_a_cursor_and_closing_it_ends_the_wait(worker):
    source, _sender = _core.Source.manual()
    session = make(worker.url, source)
    assert session.start(HANG_GUARD)
    cursor = session.cursor()
    found = []
    waiting = threading.Thread(target=lambda: found.append(cursor.next(HANG_GUARD)))
    waiting.start()
    while True:
        # Until the other thread is inside, this one may look.
        try:
            assert cursor.poll() is NotImplemented
        except RuntimeError as error:
            assert "another thread" in str(error)
            break
    cursor.close()
    waiting.join(HANG_GUARD)
    assert found == [None] and session.state == "started"
    assert session.cursor().poll() is NotImplemented
    session.close()


def test_a_cursor_that_stops_asking_does_not_keep_the_next_one_waiting(worker, clip):
    session = make(worker.url, file_source(clip), realtime_processing=False)
    idle = session.cursor()
    first = [idle.next(HANG_GUARD)[1][0] for _ in range(10)]
    rest = [item[1][0] for item in drain(session)]
    assert first + rest == list(range(1, CLIP_FRAMES + 1))


def test_a_callback_that_holds_its_session_is_collected_with_it(worker, clip):
    session = make(worker.url, file_source(clip))

    def callback(_result):
        return session

    session.set_callbacks(on_result=callback, on_errors=callback, on_gap=callback, on_stream_error=callback)
    kept = weakref.ref(callback)
    assert session.start(HANG_GUARD)
    del callback, session
    gc.collect()
    assert kept() is None


def test_only_the_callbacks_that_are_named_change(worker, clip):
    session = make(worker.url, file_source(clip))
    calls = []

    def first(result):
        calls.append(result.metadata[0])
        if len(calls) == 5:
            session.set_callbacks(on_result=None)

    session.set_callbacks(on_result=first)
    session.set_callbacks(on_errors=None, on_gap=None)
    for wrong in ({"on_frame": first}, {"on_result": 3}):
        with pytest.raises(TypeError):
            session.set_callbacks(**wrong)
    assert len(drain(session)) == CLIP_FRAMES
    assert calls == [1, 2, 3, 4, 5]


def test_a_paused_job_stands_still_and_goes_on_with_other_outputs(worker, clip):
    session = make(worker.url, file_source(clip), data_output=["crop"])
    assert session.delivery == ("lossless", None)
    with pytest.raises(RuntimeError, match="start"):
        session.reconfigure(data_output=[])
    names = []
    session.set_callbacks(on_result=lambda result: names.append(result.names()))
    cursor = session.cursor()
    assert cursor.next(HANG_GUARD)[1][0] == 1
    session.pause()
    assert session.paused
    seen = 1
    with pytest.raises(TimeoutError):
        while True:
            seen += cursor.next(0.5) is not None
    assert seen < CLIP_FRAMES / 2
    session.reconfigure(data_output=[])
    session.resume()
    while cursor.next(HANG_GUARD) is not None:
        seen += 1
    session.close()
    assert seen == CLIP_FRAMES
    assert names[0] == ["crop", "image"] and names[-1] == ["image"]
    counts = json.loads(session.stats())["frames"]
    assert counts["received"] == counts["delivered"] == CLIP_FRAMES and counts["queued"] == 0


def test_errors_that_do_not_end_a_session_are_kept_counted_and_told(worker, clip):
    session = make(worker.url, file_source(clip), data_output=["nonsense"])
    told, frame_errors = [], []
    session.set_callbacks(
        on_stream_error=told.append, on_errors=lambda errors, metadata: frame_errors.append((errors, metadata[0]))
    )
    session.note_handler_error("mine")
    try:
        drain(session)
    except RuntimeError as error:
        # An inline workflow is checked before anything runs.
        assert "nonsense" in str(error)
    else:
        assert len(frame_errors) == CLIP_FRAMES
    assert session.errors()[0] == ("handler", None, None, "mine")
    assert json.loads(session.stats())["stream_errors"]["handler"] == 1


def test_a_source_makes_one_session_and_nothing_starts_before_it_is_asked_for(worker, clip):
    source = file_source(clip)
    threads = threading.active_count()
    session = make(worker.url, source)
    assert session.state == "not_started" and threading.active_count() == threads
    with pytest.raises(RuntimeError, match="already made"):
        make(worker.url, source)
    session.close()
    with pytest.raises(RuntimeError, match="closed session"):
        session.start(1.0)


def test_errors_arrive_as_the_exceptions_of_the_package(worker, tmp_path):
    missing = make(worker.url, file_source(str(tmp_path / "none.mp4")))
    with pytest.raises(FileNotFoundError) as caught:
        missing.start(HANG_GUARD)
    assert isinstance(caught.value, RuntimeError)
    nobody = make("http://127.0.0.1:9", _core.Source.manual()[0])
    cursor = nobody.cursor()
    with pytest.raises(RuntimeError, match="no worker at"):
        cursor.next(HANG_GUARD)
    assert cursor.next(HANG_GUARD) is None, "an error is raised once"


@contextlib.contextmanager
def running(code, *arguments):
    """A Python program, ended with the block whatever happens in it."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run_python(code, *arguments, timeout=HANG_GUARD):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )


def test_ctrl_c_ends_a_wait_that_nothing_else_would_end(worker):
    code = """
import json, sys
from framewire import _core
source, sender = _core.Source.manual()
session = _core.Session(api_url=sys.argv[1], source=source, stream_output=["image"],
                        workflow_configuration=sys.argv[2], turn_server='{"iceServers": []}')
session.start(30.0)
try:
    print("waiting", flush=True)
    session.cursor().next()
except KeyboardInterrupt:
    print("interrupted", flush=True)
session.close()
"""
    with running(code, worker.url, json.dumps({"workflow_specification": WORKFLOW})) as process:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=HANG_GUARD)
    assert (process.returncode, out, errors) == (0, "interrupted\n", "")


def test_ctrl_c_ends_the_lookup_of_a_task_type():
    code = """
import os, signal, socket, sys, threading, time
silent = socket.create_server(("127.0.0.1", 0))
os.environ["RF_API_BASE_URL"] = "http://127.0.0.1:%d" % silent.getsockname()[1]
from framewire import _core
kept = []
def interrupt():
    kept.append(silent.accept())
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
began = time.monotonic()
try:
    _core.find_task_type(None, "some/1")
except KeyboardInterrupt:
    print("interrupted", time.monotonic() - began < 5)
"""
    done = run_python(code)
    assert done.stdout == "interrupted True\n", done.stderr


def test_ctrl_c_ends_a_send_that_waits_for_room(worker):
    code = """
import sys
import numpy as np
from framewire import _core
source, sender = _core.Source.manual()
session = _core.Session(api_url=sys.argv[1], source=source, stream_output=["image"], realtime_processing=False,
                        workflow_configuration=sys.argv[2], turn_server='{"iceServers": []}')
session.start(30.0)
session.pause()
try:
    print("sending", flush=True)
    while True:
        sender.send(np.zeros((720, 1280, 3), np.uint8))
except KeyboardInterrupt:
    print("interrupted", flush=True)
session.close()
"""
    with running(code, worker.url, json.dumps({"workflow_specification": WORKFLOW})) as process:
        assert process.stdout.readline() == "sending\n"
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=HANG_GUARD)
    assert (process.returncode, out, errors) == (0, "interrupted\n", "")


def test_the_command_line_runs_inside_the_interpreter():
    done = run_python("import sys; from framewire import _core; sys.exit(_core.main(['framewire', '--version']))")
    assert done.returncode == 0 and done.stdout.startswith("framewire")
    wrong = run_python("import sys; from framewire import _core; sys.exit(_core.main(['framewire', 'nonsense']))")
    assert wrong.returncode == 2 and "nonsense" in wrong.stderr


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 0), (signal.SIGTERM, 0)])
def test_signals_end_the_command_line_as_they_end_the_binary(number, status):
    code = "import sys; from framewire import _core; sys.exit(_core.main(['framewire', 'serve', '--listen', '127.0.0.1:0']))"
    with running(code) as process:
        assert process.stdout.readline().startswith("framewire serve listening on ")
        process.send_signal(number)
        _, errors = process.communicate(timeout=HANG_GUARD)
    assert process.returncode == status
    assert "Traceback" not in errors and "KeyboardInterrupt" not in errors


LOGGING = """
import json, logging, sys, threading, time
from framewire import _core
emit = getattr(_core, "__test_log")
records = []
class Keep(logging.Handler):
    def emit(self, record):
        records.append(record)
logger = logging.getLogger("framewire")
logger.addHandler(Keep())
logger.propagate = False
"""


def test_ten_thousand_events_from_many_threads_while_python_is_held_are_logged_or_counted():
    code = LOGGING + """
logger.setLevel(logging.INFO)
_core.start_logging()
stop = threading.Event()
def spin():
    while not stop.is_set():
        sum(range(1000))
        logger.info("from python")
spinner = threading.Thread(target=spin)
spinner.start()
emit(20, 500, True)  # the interpreter is held all the while
_core.flush_logs()
emit(20, 250, False)
stop.set()
spinner.join()
_core.flush_logs()
ours = [record for record in records if record.getMessage().startswith("a test event")]
lost = [record for record in records if "were not logged" in record.getMessage()]
lost = sum(int(record.getMessage().split()[0]) for record in lost)
assert all("thread=" in record.getMessage() and "event=" in record.getMessage() for record in ours)
assert (len(ours), lost) == (5_000 + 8_192, 10_000 - 8_192), (len(ours), lost)
record = ours[0]
assert (record.levelno, record.name) == (logging.INFO, "framewire.test.events"), record.name
assert record.filename.endswith("testing.rs") and record.lineno > 0
assert not any("quiet" in record.getMessage() or "foreign" in record.getMessage() for record in records)
print("ok", lost)
"""
    done = run_python(code, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith("ok"), done.stderr


def test_flushing_waits_for_what_the_other_thread_is_handing_over():
    code = LOGGING + """
class Slow(logging.Handler):
    def emit(self, record):
        threading.Event().wait(0.001)  # lets the other thread run in the middle of a batch
logger.addHandler(Slow())
logger.setLevel(logging.INFO)
_core.start_logging()
for seen in range(0, 1_000, 50):
    emit(5, 10, False)
    _core.flush_logs()
    assert len(records) == seen + 50, (seen, len(records))
print("ok")
"""
    done = run_python(code, timeout=60)
    assert done.returncode == 0 and done.stdout == "ok\n", done.stderr


def test_the_level_of_the_logger_is_followed():
    code = LOGGING + """
def events():
    records.clear()
    emit(1, 1)
    _core.flush_logs()
    return [record.levelname for record in records]
_core.start_logging()
assert events() == [], "warnings only, as logging has it by default"
logger.setLevel(logging.DEBUG)
_core.start_logging()
assert events() == ["INFO", "DEBUG"], events()
logger.setLevel(logging.CRITICAL)
_core.start_logging()
assert events() == []
print("ok")
"""
    done = run_python(code)
    assert done.stdout == "ok\n", done.stderr


def test_a_handler_that_raises_and_a_handler_that_logs_do_no_harm():
    code = LOGGING + """
class Odd(logging.Handler):
    def emit(self, record):
        if record.name.startswith("framewire."):
            emit(1, 0)
            raise RuntimeError("mine")
logger.addHandler(Odd())
logger.setLevel(logging.INFO)
_core.start_logging()
sys.unraisablehook = lambda report: None
emit(2, 5)
_core.flush_logs()
assert len([r for r in records if "test event" in r.getMessage()]) == 10
print("ok")
"""
    done = run_python(code)
    assert done.stdout == "ok\n", done.stderr


def test_no_credentials_in_any_log(worker, clip):
    code = LOGGING + """
logger.setLevel(logging.DEBUG)
servers = {"iceServers": [{"urls": "turn:127.0.0.1:9", "username": "name-of-turn", "credential": "hidden-turn"}]}
session = _core.Session(api_url=sys.argv[1].replace("http://", "http://someone:hidden-url@"), api_key="hidden-key",
                        source=_core.Source.file(sys.argv[3], True, False, True), workflow_configuration=sys.argv[2],
                        turn_server=json.dumps(servers), stream_output=["image"])
cursor = session.cursor()
try:
    for _ in range(10):
        cursor.next(30.0)
except RuntimeError as error:
    records.append(logging.makeLogRecord({"msg": str(error)}))
session.close()
_core.flush_logs()
assert records
for record in records:
    assert "hidden" not in record.getMessage(), record.getMessage()
print("ok")
"""
    done = run_python(code, worker.url, json.dumps({"workflow_specification": WORKFLOW}), clip)
    assert done.stdout == "ok\n", done.stderr


def test_a_programs_end_is_clean_whatever_still_runs(worker, clip):
    code = """
import json, logging, sys
logging.basicConfig(level=logging.DEBUG, filename="/dev/null")
from framewire import _core
session = _core.Session(api_url=sys.argv[1], source=_core.Source.file(sys.argv[3], True, False, True),
                        stream_output=["image"], workflow_configuration=sys.argv[2], turn_server='{"iceServers": []}')
session.set_callbacks(on_result=lambda result: result.visible())
cursor = session.cursor()
for _ in range(int(sys.argv[4])):
    cursor.next(30.0)
"""
    flow = json.dumps({"workflow_specification": WORKFLOW})
    for frames_seen in (1, 2, 5, 20, 60, 120):
        done = run_python(code, worker.url, flow, clip, str(frames_seen))
        assert (done.returncode, done.stderr) == (0, ""), frames_seen


def test_after_the_shutdown_no_native_thread_calls_python(worker, clip):
    code = LOGGING + """
logger.setLevel(logging.INFO)
_core.start_logging()
emit(1, 10)
_core.shutdown()
assert len(records) == 10, "what was logged before is there"
calls = []
session = _core.Session(api_url=sys.argv[1], source=_core.Source.file(sys.argv[3], True, False, True),
                        stream_output=["image"], workflow_configuration=sys.argv[2], turn_server='{"iceServers": []}')
session.set_callbacks(on_result=calls.append)
cursor, frames = session.cursor(), 0
while cursor.next(30.0) is not None:
    frames += 1
session.close()
assert (frames, calls, len(records)) == (250, [], 10)
_core.shutdown()
print("ok")
"""
    done = run_python(code, worker.url, json.dumps({"workflow_specification": WORKFLOW}), clip)
    assert done.stdout == "ok\n", done.stderr


FORK = """
import json, os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and later warn of any fork with threads
import numpy as np
from framewire import _core
def child(work):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = work() or 0
        finally:
            sys.stdout.flush()
            os._exit(code) if code else sys.exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
def refuses(work):
    try:
        work()
    except RuntimeError as error:
        assert "fork" in str(error), error
        return
    raise AssertionError("it was allowed")
def session(source=None):
    return _core.Session(api_url=sys.argv[1], source=source or _core.Source.file(sys.argv[3], True, False, True),
                         stream_output=["image"], workflow_configuration=sys.argv[2], turn_server='{"iceServers": []}')
def count(session):
    cursor, frames = session.cursor(), 0
    while cursor.next(30.0) is not None:
        frames += 1
    session.close()
    return frames
"""


def run_fork(worker, clip, code):
    done = run_python(FORK + code, worker.url, json.dumps({"workflow_specification": WORKFLOW}), clip, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


def test_the_child_of_a_parent_that_merely_imported_works(worker, clip):
    run_fork(
        worker,
        clip,
        """
untouched = session()
def work():
    refuses(untouched.start)
    assert count(session()) == 250
assert child(work) == 0
assert count(untouched) == 250
print("ok")
""",
    )


def test_what_was_used_before_a_fork_refuses_in_the_child_and_goes_on_in_the_parent(worker, clip):
    run_fork(
        worker,
        clip,
        """
source, sender = _core.Source.manual()
live = session(source)
live.set_callbacks(on_result=lambda result: None)
assert live.start(30.0)
cursor = live.cursor()
picture = np.zeros((240, 320, 3), np.uint8)
sender.send(picture)
kept = cursor.next(30.0)[0]
other = _core.Source.file(sys.argv[3], True, False, True)
def work():
    for use in (live.start, live.stats, live.cursor, cursor.next, cursor.poll, cursor.fileno,
                lambda: sender.send(picture), lambda: session(other), lambda: session().start()):
        refuses(use)
    live.close()
    cursor.close()
    sender.close()
    kept[:] = 1
assert child(work) == 0
sender.send(picture)
assert cursor.next(30.0)[0].sum() < picture.size * 30
assert live.state == "started"
live.close()
print("ok")
""",
    )
