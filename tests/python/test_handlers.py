"""How handlers are registered and called: spellings, order, arguments, and what their mistakes cost.

Not here: the way of a message from the network, which needs a worker.
"""

import logging
from datetime import datetime, timedelta, timezone
from unittest.mock import Mock

import pytest

from framewire import InferenceHTTPClient
from framewire.webrtc import ManualSource, VideoMetadata
from framewire.webrtc._handlers import Handlers, declared_parameters, metadata_from, metadata_of

METADATA = (3, "2026-01-02T03:04:05.678901", 5, 0.001, None, 25.0, ["e"])


class Result:
    """A message as native code hands it over."""

    def __init__(self, outputs, hidden=()):
        import json

        self._values = {name: json.dumps(value).encode() for name, value in (outputs or {}).items()}
        self._visible = None if outputs is None else json.dumps({k: v for k, v in outputs.items() if k not in hidden}).encode()
        self.metadata = METADATA
        self.parsed = []

    def visible(self):
        self.parsed.append("visible")
        return self._visible

    def names(self):
        return list(self._values)

    def value(self, name):
        self.parsed.append(name)
        return self._values[name]


@pytest.fixture
def session():
    return InferenceHTTPClient("http://a:1").webrtc.stream(ManualSource(), workflow={})


def test_every_spelling_registers_and_returns_the_handler(session):
    def handler(*_):
        return None

    assert session.on_frame(handler) is handler
    assert session.on_error(handler) is handler
    assert session.on_data(handler) is handler
    assert session.on_data()(handler) is handler
    assert session.on_data("field")(handler) is handler
    assert session.on_gap(handler) is handler
    assert session.on_stream_error(handler) is handler


def test_something_that_cannot_be_called_is_refused_at_registration(session):
    for register in (session.on_frame, session.on_error, session.on_data(), session.on_data("x"), session.on_gap):
        with pytest.raises(TypeError):
            register(5)


class Bound:
    def two(self, value, metadata):
        return None

    def __call__(self, value):
        return None


@pytest.mark.parametrize(
    ("handler", "count"),
    [
        (lambda: None, 1),
        (lambda value: None, 1),
        (lambda value, metadata: None, 2),
        (lambda value, metadata=None: None, 2),
        (lambda a, b, c: None, 3),
        (lambda *args: None, 1),
        (lambda *args, **kwargs: None, 2),
        (lambda *args, flag=False: None, 1),
        (lambda value, *args, **kwargs: None, 2),
        (lambda a, b, *args, **kwargs: None, 3),
        (Mock(), 2),
        (lambda value, *args: None, 2),
        (lambda value, **kwargs: None, 1),
        (lambda value, *, flag=False: None, 1),
        (Bound().two, 2),
        (Bound(), 1),
        ([].append, 1),
        (dict, 1),
    ],
)
def test_arguments_are_counted_as_declared(handler, count):
    assert declared_parameters(handler) == count


def test_the_global_handler_comes_first_and_fields_follow_in_the_order_of_the_message():
    handlers, calls = Handlers(), []
    handlers.add_field("b", lambda value: calls.append(("b", value)))
    handlers.add_field("a", lambda value, metadata: calls.append(("a", value, metadata.frame_id)))
    handlers.add_field("a", lambda value: calls.append(("a2", value)))
    handlers.set_everything(lambda data: calls.append("replaced"))
    handlers.set_everything(lambda data: calls.append(("all", data)))
    handlers.call_result(Result({"b": 1, "c": 2, "a": 3}))
    assert calls == [("all", {"b": 1, "c": 2, "a": 3}), ("b", 1), ("a", 3, 3), ("a2", 3)]


def test_nothing_is_parsed_that_nobody_listens_to():
    handlers = Handlers()
    result = Result({"image": "x" * 1000, "count": 5}, hidden=("image",))
    handlers.call_result(result)
    assert result.parsed == []
    handlers.add_field("count", lambda value: None)
    handlers.call_result(result)
    assert result.parsed == ["count"]


def test_a_field_is_parsed_once_for_all_its_handlers_and_hidden_pictures_reach_theirs():
    handlers, seen = Handlers(), []
    handlers.set_everything(lambda data: seen.append(data))
    for _ in range(2):
        handlers.add_field("count", seen.append)
        handlers.add_field("image", seen.append)
    result = Result({"image": "pixels", "count": 5}, hidden=("image",))
    handlers.call_result(result)
    assert seen == [{"count": 5}, "pixels", "pixels", 5, 5]
    assert result.parsed == ["visible", "image"]


def test_a_message_without_outputs_gives_the_global_handler_none():
    handlers, seen = Handlers(), []
    handlers.set_everything(lambda data, metadata: seen.append((data, metadata.frame_id)))
    handlers.add_field("a", seen.append)
    handlers.call_result(Result(None))
    assert seen == [(None, 3)]


def test_a_handlers_exception_is_logged_once_with_its_traceback_and_the_next_one_runs(caplog):
    handlers, seen, noted = Handlers(), [], []
    handlers.failed = noted.append

    def fails(value):
        raise KeyError("mistake")

    handlers.set_everything(fails)
    handlers.add_field("a", fails)
    handlers.add_field("a", seen.append)
    with caplog.at_level(logging.WARNING, "framewire.webrtc.session"):
        handlers.call_result(Result({"a": 1}))
        handlers.add_frame(lambda frame, metadata: fails(0))
        handlers.call_frame(None, None)
        handlers.add_error(fails)
        handlers.call_errors(["e"], METADATA)
    assert seen == [1]
    assert len(noted) == 4 and all("KeyError" in each for each in noted)
    assert [record.name for record in caplog.records] == ["framewire.webrtc.session"] * 4
    assert all("mistake" in (record.exc_text or str(record.exc_info)) for record in caplog.records)


def test_a_decorated_handler_gets_the_metadata_it_is_written_for():
    handlers, seen = Handlers(), []

    def decorated(handler):
        return lambda *args, **kwargs: handler(*args, **kwargs)

    handlers.set_everything(decorated(lambda data, metadata: seen.append((data, metadata.frame_id))))
    handlers.call_result(Result({"a": 1}))
    assert seen == [({"a": 1}, 3)]


def test_a_failing_handler_of_stream_errors_is_logged_once_and_makes_no_further_error(caplog):
    handlers, noted = Handlers(), []

    def failed(text):
        # As a session does: what is noted is a stream error itself.
        noted.append(text)
        if len(noted) < 50:
            handlers.call_stream_error(("handler", None, None, text))

    handlers.failed = failed

    def fails(_):
        raise ValueError("a mistake in the error handler")

    handlers.add_stream_error(fails)
    handlers.set_everything(fails)
    with caplog.at_level(logging.WARNING, "framewire.webrtc.session"):
        handlers.call_result(Result({}))
    assert len(noted) == 1
    assert len(caplog.records) == 2


def test_an_interrupt_of_a_data_handler_ends_the_session_and_is_kept():
    handlers, ended = Handlers(), []
    handlers.interrupted = lambda: ended.append(True)

    def leave(value):
        raise SystemExit(4)

    handlers.set_everything(leave)
    handlers.call_result(Result({}))
    assert ended == [True]
    assert handlers.interrupt.code == 4


def test_frame_handlers_of_model_mode_get_metadata_when_they_ask_for_three():
    handlers, seen = Handlers(), []
    handlers.add_frame(lambda frame, data: seen.append((frame, data)))
    handlers.add_frame(lambda frame, data, metadata: seen.append((frame, data, metadata)))
    handlers.call_frame_with_data("f", {"p": 1}, "m")
    assert seen == [("f", {"p": 1}), ("f", {"p": 1}, "m")]


def test_a_handler_may_register_another_in_the_middle_of_a_dispatch():
    handlers, seen = Handlers(), []

    def registers(value):
        seen.append("first")
        handlers.add_field("a", lambda value: seen.append("late"))

    handlers.add_field("a", registers)
    handlers.call_result(Result({"a": 1}))
    assert seen == ["first"]
    handlers.call_result(Result({"a": 1}))
    assert seen == ["first", "first", "late"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05.678901", datetime(2026, 1, 2, 3, 4, 5, 678901)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)),
        ("2026-01-02T03:04:05.5Z", datetime(2026, 1, 2, 3, 4, 5, 500000, tzinfo=timezone.utc)),
        ("2026-01-02T03:04:05.123456789+02:00", datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_times_are_read_in_every_usual_form(text, expected):
    assert metadata_from((1, text, None, None, None, None, [])) == VideoMetadata(1, expected)


def test_a_time_that_cannot_be_read_leaves_the_metadata_out(caplog):
    assert metadata_from((1, "yesterday", None, None, None, None, [])) is None
    assert metadata_from(None) is None
    assert "yesterday" not in caplog.text and "frame 1" in caplog.text


def test_a_frame_of_a_track_without_a_message_has_metadata_made_of_its_own_time():
    before = datetime.now()
    made = metadata_of((None, None, None, "unpaired", 0.0, 180_000))
    assert (made.frame_id, made.pts, made.errors) == (180_000, 180_000, [])
    assert made.pts * made.time_base == pytest.approx(2.0)
    assert before <= made.received_at <= datetime.now()
    assert metadata_of((None, METADATA, None, "exact", 0.0, 180_000)) == metadata_from(METADATA)
    assert metadata_of((None, None, None, "unpaired", 0.0, None)) is None


def test_metadata_is_a_dataclass_with_every_field():
    metadata = metadata_from(METADATA)
    assert metadata == VideoMetadata(3, datetime(2026, 1, 2, 3, 4, 5, 678901), 5, 0.001, None, 25.0, ["e"])
