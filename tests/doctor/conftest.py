"""Runs the selected situations beside each other, since most of their time is waiting, and hands each test its outcome."""

import concurrent.futures
import pathlib
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "interop")]

import program  # noqa: E402
from situations import SITUATIONS, WORKING  # noqa: E402

AT_ONCE = 5


@pytest.fixture(scope="session")
def outcomes(request, tmp_path_factory):
    """By command and situation, a future; all are started at once."""
    assert program.BINARY.exists(), "run `make build`"
    items = [item for item in request.session.items if "outcomes" in item.fixturenames]
    names = dict.fromkeys(item.callspec.params["name"] for item in items)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as waiting, concurrent.futures.ThreadPoolExecutor(1) as measuring:

        def start(command, name):
            # A doctor that gets through measures how fast the path is: one at a time.
            pool = measuring if command == "doctor" and name in WORKING else waiting
            return pool.submit(outcome, command, name, tmp_path_factory.mktemp(name))

        yield {(command, name): start(command, name) for name in names for command in ("doctor", "run")}
        for pool in (waiting, measuring):
            pool.shutdown(wait=False, cancel_futures=True)


def outcome(command, name, folder):
    with SITUATIONS[name](folder) as place:
        return getattr(program, command)(place, folder)
