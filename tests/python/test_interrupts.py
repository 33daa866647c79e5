"""Ctrl-C, exit and fork: what happens to sessions when something happens to the process.

Not here: closing by the program.
"""

import os
import signal
import socket
import subprocess
import sys
import textwrap

import pytest
from conftest import HANG_GUARD, Stopwatch

# Two seconds are promised; a loaded machine gets three times as long before this is called a hang.
GUARD = 6.0

PRELUDE = """
import asyncio, os, sys, threading, time
from framewire import InferenceHTTPClient
from framewire.webrtc import *
url, clip = sys.argv[1:3]
def make(source=None, **config):
    config = {"stream_output": ["image"], "turn_server": {"iceServers": []}, **config}
    spec = {"version": "1.0", "inputs": [{"type": "InferenceImage", "name": "image"}], "steps": [],
            "outputs": [{"type": "JsonField", "name": "image", "selector": "$inputs.image"}]}
    return InferenceHTTPClient.init(url).webrtc.stream(source or ManualSource(), workflow=spec, config=StreamConfig(**config))
def say(text):
    print(text, flush=True)
"""


def program(body, url, clip):
    code = PRELUDE + textwrap.dedent(body)
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, url, clip], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process, guard=HANG_GUARD):
    try:
        return process.communicate(timeout=guard)
    except subprocess.TimeoutExpired:
        process.kill()
        output = process.communicate()
        pytest.fail(f"still running after {guard} s: {output}")


WAYS = {
    "run": "session.run()",
    "wait": "session.wait()",
    "video": "[None for _ in session.video()]",
    "start and run": "session.start(); session.run()",
}


def interrupted(way, url, clip, delay):
    """How long a Ctrl-C after `delay` seconds takes to end the program, and what it printed."""
    process = program(
        f"""
        session = make()
        try:
            with session:
                say("ready")
                {way}
        except KeyboardInterrupt:
            say("interrupted " + session.state.value)
            sys.exit(42)
        """,
        url,
        clip,
    )
    assert process.stdout.readline() == "ready\n"
    try:
        # The moment of the interrupt is what this test varies.
        process.wait(timeout=delay)
    except subprocess.TimeoutExpired:
        pass
    watch = Stopwatch()
    process.send_signal(signal.SIGINT)
    output, errors = finish(process)
    return watch.seconds, process.returncode, output, errors


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.01, 0.03, 0.1, 0.4])
@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_ends_a_session_at_any_moment_and_is_raised(worker, clip, way, delay):
    seconds, status, output, errors = interrupted(WAYS[way], worker.url, clip, delay)
    assert seconds < GUARD
    assert status == 42, errors
    assert output == "interrupted closed\n"


@pytest.mark.parametrize("way", ["run", "wait", "video"])
def test_ctrl_c_ends_a_session_that_waits_for_an_answer(clip, way):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        seconds, status, output, errors = interrupted(WAYS[way], url, clip, 0.3)
    assert seconds < GUARD
    assert status == 42, errors
    assert output == "interrupted closed\n"


def test_ctrl_c_in_asyncio_ends_the_program(worker, clip):
    seconds, status, output, errors = interrupted(
        """
                async def main():
                    async with session:
                        async for _ in session.video():
                            pass
                asyncio.run(main())
        """.strip(),
        worker.url,
        clip,
        0.3,
    )
    assert seconds < GUARD
    assert (status, output) == (42, "interrupted closed\n"), errors


def test_an_exit_with_an_open_session_closes_it_and_says_nothing(worker, clip):
    process = program("session = make(); session.start(); frames = session.video(); say('open')", worker.url, clip)
    output, errors = finish(process)
    assert (process.returncode, output) == (0, "open\n")
    assert "Traceback" not in errors and "Fatal" not in errors


def test_an_exit_while_another_thread_is_in_a_session_does_not_hang(worker, clip):
    process = program(
        """
        session = make()
        threading.Thread(target=session.run, daemon=True).start()
        while session.state is SessionState.NOT_STARTED:
            time.sleep(0.01)
        say("leaving")
        """,
        worker.url,
        clip,
    )
    output, errors = finish(process)
    assert (process.returncode, output) == (0, "leaving\n")
    assert "Fatal" not in errors


def test_a_child_of_a_parent_that_only_imported_works(worker, clip):
    process = program(
        """
        child = os.fork()
        if child == 0:
            with make(VideoFileSource(clip)) as session:
                next(session.video())
            say("child did it")
            sys.exit(7)
        say("parent saw " + str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
        """,
        worker.url,
        clip,
    )
    output, errors = finish(process)
    assert output == "child did it\nparent saw 7\n", errors


def test_a_session_in_the_child_of_a_fork_is_a_clear_error_and_the_parent_goes_on(worker, clip):
    process = program(
        """
        session = make(VideoFileSource(clip))
        frames = session.video()
        next(frames)
        child = os.fork()
        if child == 0:
            for use in (session.run, session.wait, lambda: next(frames), make().run):
                try:
                    use()
                    say("no error")
                except RuntimeError as error:
                    say("fork" if "fork" in str(error) else str(error))
            session.close()
            sys.exit(7)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        say(f"parent saw {status} and {len(list(frames))} frames")
        session.close()
        """,
        worker.url,
        clip,
    )
    output, errors = finish(process)
    assert output == "fork\n" * 4 + "parent saw 7 and 249 frames\n", errors
    assert process.returncode == 0


def test_the_module_is_the_binary(tmp_path):
    environment = {**os.environ, "RUST_LOG": "off"}
    result = subprocess.run([sys.executable, "-m", "framewire", "--version"], capture_output=True, text=True, timeout=30, env=environment)
    assert (result.returncode, result.stdout.split()[0]) == (0, "framewire")
    missing = subprocess.run(
        [sys.executable, "-m", "framewire", "run", str(tmp_path / "none.mp4")], capture_output=True, text=True, timeout=30, env=environment
    )
    assert missing.returncode == 2
    assert "none.mp4" in missing.stderr


def leaving_a_handler_behind(seconds, url, clip):
    """A program that ends by itself while its data handler has so many seconds to go, far more than closing waits for."""
    process = program(
        f"""
        from framewire import config
        config.WEBRTC_EVENT_LOOP_SHUTDOWN_TIMEOUT = 0.2
        session = make(VideoFileSource(clip))
        handling = threading.Event()
        @session.on_data()
        def slow(value, metadata):
            handling.set()
            time.sleep({seconds})
            say("handled")
        session.start()
        handling.wait()
        say("leaving")
        """,
        url,
        clip,
    )
    assert process.stdout.readline() == "leaving\n"
    return process


def test_an_exit_waits_for_a_handler_that_is_running(worker, clip):
    process = leaving_a_handler_behind(3, worker.url, clip)
    output, errors = finish(process)
    assert (process.returncode, output) == (0, "handled\n"), errors
    assert "Fatal" not in errors


def test_ctrl_c_ends_an_exit_that_waits_for_a_handler_with_a_status_and_not_with_an_abort(worker, clip):
    process = leaving_a_handler_behind(600, worker.url, clip)
    watch = Stopwatch()
    # The first one may come while the session is being closed, which goes on.
    while process.poll() is None and watch.seconds < HANG_GUARD:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            continue
    output, errors = finish(process, GUARD)
    assert (process.returncode, output) == (128 + signal.SIGINT, ""), errors
    assert "Fatal" not in errors
