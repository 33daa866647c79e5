"""The user's handlers: registration, how many arguments each takes, and calling them so that a mistake stays theirs.

Not here: when they are called, which is the session's business.
"""

import contextlib
import inspect
import json
import logging
import threading
import weakref
from datetime import datetime
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Tuple

from framewire.webrtc._types import Gap, StreamError, VideoMetadata

if TYPE_CHECKING:
    from framewire import _core

__all__ = ["Handlers", "in_session_thread", "metadata_from", "metadata_of", "on_session_thread"]

logger = logging.getLogger("framewire.webrtc.session")

_Entry = Tuple[Callable[..., Any], int]
_STREAM_ERROR = "stream error"
_thread = threading.local()

TRACK_CLOCK = 90_000
"""Ticks per second of the times on a video track."""
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@contextlib.contextmanager
def on_session_thread() -> Iterator[None]:
    """Marks the calls that run on a thread of a session: they must not wait for that session's end."""
    before = in_session_thread()
    _thread.active = True
    try:
        yield
    finally:
        _thread.active = before


def in_session_thread() -> bool:
    """Whether this is such a call."""
    return getattr(_thread, "active", False)


def declared_parameters(handler: Callable[..., Any]) -> int:
    """How many arguments a handler is written for.

    `*args` alone or an unreadable signature is one; `*args` with `**kwargs` is two, as it forwards to something unknown.

    Raises:
        TypeError: it cannot be called at all.
    """
    if not callable(handler):
        raise TypeError(f"a handler must be callable, not {type(handler).__name__}")
    try:
        kinds = [each.kind for each in inspect.signature(handler).parameters.values()]
    except (TypeError, ValueError):
        return 1
    named = sum(kind in _POSITIONAL for kind in kinds)
    if inspect.Parameter.VAR_POSITIONAL not in kinds:
        return named or 1
    if inspect.Parameter.VAR_KEYWORD in kinds:
        # A decorator without `functools.wraps`, or a mock: data must not come without its metadata.
        return max(named + 1, 2)
    return named + 1 if named else 1


def metadata_from(native: Optional["_core.Metadata"]) -> Optional[VideoMetadata]:
    """The metadata of one frame; None when the message had none, or none that can be read."""
    if native is None:
        return None
    frame_id, received_at, pts, time_base, declared_fps, measured_fps, errors = native
    try:
        at = datetime.fromisoformat(received_at)
    except ValueError:
        try:
            at = datetime.fromisoformat(_normal_form(received_at))
        except ValueError:
            logger.warning("frame %s has a time that cannot be read; its metadata is left out", frame_id)
            return None
    return VideoMetadata(frame_id, at, pts, time_base, declared_fps, measured_fps, errors)


def metadata_of(item: "_core.Item") -> Optional[VideoMetadata]:
    """The metadata of a frame from a cursor. A frame of a track that no message belongs to gets what its own time says."""
    native = item[1]
    if native is not None:
        return metadata_from(native)
    own_time = item[5]
    if own_time is None:
        return None
    return VideoMetadata(frame_id=own_time, received_at=datetime.now(), pts=own_time, time_base=1 / TRACK_CLOCK)


def _normal_form(text: str) -> str:
    """Text that `fromisoformat` of the oldest supported Python reads: no `Z`, and a fraction of six digits."""
    if text[-1:] in ("Z", "z"):
        text = text[:-1] + "+00:00"
    whole, dot, rest = text.partition(".")
    if not dot:
        return text
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return f"{whole}.{rest[:digits][:6].ljust(6, '0')}{rest[digits:]}"


class Handlers:
    """All handlers of one session. Lists are replaced as a whole, so a dispatch works on the lists of its beginning."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.frame: Tuple[_Entry, ...] = ()
        self.error: Tuple[_Entry, ...] = ()
        self.everything: Optional[_Entry] = None
        self.fields: Dict[str, Tuple[_Entry, ...]] = {}
        self.gap: Tuple[Callable[[Gap], Any], ...] = ()
        self.stream_error: Tuple[Callable[[StreamError], Any], ...] = ()
        self.interrupt: Optional[BaseException] = None
        """What a handler raised beyond ordinary exceptions; the session ends and its consumer raises it."""
        self.failed: Callable[[str], None] = _nobody
        """Told about each exception, so that it is counted."""
        self.interrupted: Callable[[], None] = _nothing
        """Ends the session."""

    @property
    def wants_data(self) -> bool:
        """Whether anybody listens to data: nothing is parsed otherwise."""
        return self.everything is not None or bool(self.fields)

    def add_frame(self, handler: Callable[..., Any]) -> None:
        entry = (handler, declared_parameters(handler))
        with self._lock:
            self.frame += (entry,)

    def add_error(self, handler: Callable[..., Any]) -> None:
        entry = (handler, declared_parameters(handler))
        with self._lock:
            self.error += (entry,)

    def set_everything(self, handler: Callable[..., Any]) -> None:
        self.everything = (handler, declared_parameters(handler))

    def add_field(self, name: str, handler: Callable[..., Any]) -> None:
        entry = (handler, declared_parameters(handler))
        with self._lock:
            self.fields = {**self.fields, name: self.fields.get(name, ()) + (entry,)}

    def add_gap(self, handler: Callable[[Gap], Any]) -> None:
        declared_parameters(handler)
        with self._lock:
            self.gap += (handler,)

    def add_stream_error(self, handler: Callable[[StreamError], Any]) -> None:
        declared_parameters(handler)
        with self._lock:
            self.stream_error += (handler,)

    def call_frame(self, frame: Any, metadata: Optional[VideoMetadata]) -> None:
        """Frame handlers outside model mode. Runs in the consumer's thread: interrupts go straight through."""
        for handler, _ in self.frame:
            try:
                handler(frame, metadata)
            except Exception as error:
                self._note("frame", handler, error)

    def call_frame_with_data(self, frame: Any, data: Any, metadata: Optional[VideoMetadata]) -> None:
        """Frame handlers of model mode. Runs in the consumer's thread: interrupts go straight through."""
        for handler, parameters in self.frame:
            try:
                if parameters >= 3:
                    handler(frame, data, metadata)
                else:
                    handler(frame, data)
            except Exception as error:
                self._note("frame", handler, error)

    def call_errors(self, errors: List[str], metadata: Optional["_core.Metadata"]) -> None:
        """Error handlers of one message; on a thread of the session."""
        at = metadata_from(metadata)
        for entry in self.error:
            self._call("error", entry, errors, at)

    def call_result(self, result: "_core.Result") -> None:
        """Data handlers of one message: the global one, then those of its fields in their order. On a thread of the session.

        Each value is parsed at most once, and only when somebody listens to it.
        """
        everything, fields = self.everything, self.fields
        if everything is None and not fields:
            return
        try:
            metadata = metadata_from(result.metadata)
            visible: Optional[Dict[str, Any]] = None
            if everything is not None:
                text = result.visible()
                visible = None if text is None else json.loads(text)
        except Exception as error:
            # The native part has checked the JSON; what Python cannot hold (a huge number) is nobody's handler's fault.
            self._note("data", None, error)
            return
        if everything is not None:
            self._call("data", everything, visible, metadata)
        if not fields:
            return
        for name in result.names():
            listening = fields.get(name)
            if not listening:
                continue
            try:
                if visible is not None and name in visible:
                    value = visible[name]
                else:
                    text = result.value(name)
                    if text is None:
                        continue
                    value = json.loads(text)
            except Exception as error:
                self._note("data", None, error)
                continue
            for entry in listening:
                self._call("data", entry, value, metadata)

    def call_gap(self, gap: Dict[str, Any]) -> None:
        """On a thread of the session."""
        event = Gap.from_native(gap)
        for handler in self.gap:
            self._contained("gap", handler, event)

    def call_stream_error(self, event: Tuple[str, Optional[str], Optional[int], str]) -> None:
        """On a thread of the session."""
        error = StreamError(*event)
        for handler in self.stream_error:
            self._contained(_STREAM_ERROR, handler, error)

    def guarded(self, kind: str, callback: Callable[..., Any]) -> Callable[..., None]:
        """A callback that native code may call on its threads: what it raises is treated like a handler's."""
        reference = weakref.ref(self)

        def call(*arguments: Any) -> None:
            handlers = reference()
            if handlers is not None:
                with on_session_thread():
                    handlers._contained(kind, callback, *arguments)

        return call

    def _call(self, kind: str, entry: _Entry, value: Any, metadata: Optional[VideoMetadata]) -> None:
        handler, parameters = entry
        if parameters >= 2:
            self._contained(kind, handler, value, metadata)
        else:
            self._contained(kind, handler, value)

    def _contained(self, kind: str, handler: Callable[..., Any], *arguments: Any) -> None:
        try:
            handler(*arguments)
        except Exception as error:
            self._note(kind, handler, error)
        except BaseException as interrupt:
            # Native code below must not see it; the consumer raises it in its own thread.
            self.interrupt = interrupt
            self.interrupted()

    def _note(self, kind: str, handler: Optional[Callable[..., Any]], error: Exception) -> None:
        name = getattr(handler, "__qualname__", None) or type(handler).__name__
        logger.warning("a %s handler (%s) failed; the session goes on", kind, name, exc_info=error)
        if kind == _STREAM_ERROR:
            # Noting it makes a stream error, which would come back here, for ever.
            return
        try:
            self.failed(f"{kind} handler {name}: {type(error).__name__}: {error}")
        except Exception:
            # An exception whose text cannot be made is counted by the log line above.
            logger.debug("could not note a failed handler", exc_info=True)


def _nobody(_: str) -> None:
    return None


def _nothing() -> None:
    return None
