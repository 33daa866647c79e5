"""Runs the selected situations beside each other, since most of their time is waiting, and hands each test its outcome."""

import concurrent.futures
import pathlib
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "interop")]

import program  # noqa: E402
from situations import SITUATIONS  # noqa: E402

AT_ONCE = 5


@pytest.fixture(scope="session")
def outcomes(request, tmp_path_factory):
    """By command and situation, a future; each is started once, in the order of the tests."""
    assert program.BINARY.exists(), "run `make build`"
    wanted = [item.callspec.params for item in request.session.items if "outcomes" in item.fixturenames]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            (each["command"], each["name"]): pool.submit(outcome, **each, folder=tmp_path_factory.mktemp(each["name"]))
            for each in wanted
        }
        pool.shutdown(cancel_futures=True)


def outcome(command, name, folder):
    with SITUATIONS[name](folder) as place:
        return getattr(program, command)(place, folder)
