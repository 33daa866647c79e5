"""One stream: its life, its handlers, and taking its frames. Thin over the native session.

Not here: protocol, media, waiting (all native), iteration (`_frames`), calling handlers (`_handlers`).
"""

import json
import logging
import os
import threading
from types import TracebackType
from typing import Any, Callable, Dict, List, Optional, Type, TypeVar, cast, overload

from framewire import _core, _lifecycle
from framewire.webrtc._custom import SourceRunner
from framewire.webrtc._frames import FrameIterator, in_thread, parse_data
from framewire.webrtc._handlers import Handlers, in_session_thread, metadata_of
from framewire.webrtc._request import names
from framewire.webrtc._starting import Starting, deadline_of, remaining
from framewire.webrtc._types import Delivery, Gap, SessionState, StreamError, VideoMetadata
from framewire.webrtc.config import SessionOptions, StreamConfig
from framewire.webrtc.sources import StreamSource

__all__ = ["Delivery", "FrameIterator", "Gap", "SessionState", "StreamError", "VideoMetadata", "WebRTCSession"]

logger = logging.getLogger("framewire.webrtc.session")

Handler = TypeVar("Handler", bound=Callable[..., Any])


class WebRTCSession(Starting):
    """A stream from a source through a worker and back. Made by `client.webrtc.stream`.

    The constructor connects nothing and starts no thread; the first `run`, `wait`, `start` or step of `video()` does.
    A session cannot be started again. All methods may be called from any thread, `close` from any handler too.

    Args:
        api_url: address of the worker.
        api_key: may be absent.
        source: where frames come from.
        image_input_name: name of the workflow's input for frames.
        workflow_config: `workflow_specification`, or `workflow_id` with `workspace_name`.
        stream_config: what comes back; read when the session starts.
        model_mode: handlers get `(frame, data)`, data being the output `predictions_output`.
        predictions_output: default "predictions".
        api_key_transport: "legacy", "both" or "header".
        options: limits and deadlines (not in the original).
    """

    def __init__(
        self,
        api_url: str,
        api_key: Optional[str],
        source: StreamSource,
        image_input_name: str,
        workflow_config: Dict[str, Any],
        stream_config: StreamConfig,
        model_mode: bool = False,
        predictions_output: Optional[str] = None,
        api_key_transport: str = "legacy",
        options: Optional[SessionOptions] = None,
    ) -> None:
        self._api_url = api_url.rstrip("/")
        self._api_key = api_key
        self._api_key_transport = str(getattr(api_key_transport, "value", api_key_transport))
        self._source = source
        self._image_input_name = image_input_name
        self._workflow_config = workflow_config
        self._config = stream_config
        self._model_mode = model_mode
        self._predictions_output = predictions_output or "predictions"
        self._options = options or SessionOptions()
        self._handlers = Handlers()
        self._pid = os.getpid()
        # Re-entrant: a signal handler or finalizer may call close() in the middle of a call of the same thread.
        self._lock = threading.RLock()
        self._asking = threading.RLock()
        self._extra: Optional[Dict[str, Any]] = None
        self._closed = False
        self._paused = False
        self._outputs: Dict[str, Optional[List[str]]] = {"stream_output": None, "data_output": None}
        self._native: Optional[_core.Session] = None
        self._runner: Optional[SourceRunner] = None
        self._sender: Optional[_core.Sender] = None

    # Life

    @property
    def state(self) -> SessionState:
        """Where the session is in its life."""
        if self._closed:
            return SessionState.CLOSED
        return SessionState.NOT_STARTED if self._native is None and self._runner is None else SessionState.STARTED

    def start(self, timeout: Optional[float] = None) -> None:
        """Starts the session and returns once worker and session have agreed; blocks until then (not in the original).

        Frames then gather up to the queue's bound until somebody takes them. Calling it again does nothing.

        Raises:
            TimeoutError: not within `timeout` seconds; the start goes on.
            ValueError: `timeout` is negative or no number.
            RuntimeError: the start failed (`framewire.errors` has the kinds), or the session is closed.
        """
        self._start(deadline_of(timeout), timeout)

    def close(self) -> None:
        """Ends the session and releases everything; at most about 2 s. Does nothing when it has been done before.

        From another thread it interrupts a start in progress. Two callers both wait for the one cleanup; a data or error
        handler does not wait, since it runs on a thread that has to end.

        Raises:
            Exception: what the source's own `cleanup` raised; everything else has been released by then.
        """
        self._closed = True
        if os.getpid() != self._pid:
            return
        with self._lock:
            native, runner = self._native, self._runner
        try:
            if native is not None:
                native.close()
        finally:
            if runner is not None:
                _close_runner(runner)
            # Last: an interrupt in the middle leaves it to the end of the program.
            _lifecycle.forget(self)

    def stop(self) -> None:
        """The same as `close`."""
        self.close()

    async def aclose(self) -> None:
        """`close` for asyncio: the event loop goes on meanwhile."""
        await in_thread(self.close)

    def __enter__(self) -> "WebRTCSession":
        return self

    def __exit__(
        self, exc_type: Optional[Type[BaseException]], exc_val: Optional[BaseException], exc_tb: Optional[TracebackType]
    ) -> None:
        self.close()

    async def __aenter__(self) -> "WebRTCSession":
        return self

    async def __aexit__(
        self, exc_type: Optional[Type[BaseException]], exc_val: Optional[BaseException], exc_tb: Optional[TracebackType]
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        try:
            if self.state is SessionState.STARTED and os.getpid() == self._pid:
                logger.warning("a session was dropped without close(); closing it now")
                self.close()
        except Exception:
            # A finalizer has nobody to tell, and the interpreter may be half gone.
            return

    # Taking frames

    def run(self) -> None:
        """Calls the frame handlers for every frame, in this thread, until the stream ends or the session is closed.

        Closes the session on every way out. What a handler raises is logged and counted, and the next frame comes;
        interrupts such as Ctrl-C end the run and are raised.

        Raises:
            RuntimeError: the session failed (`framewire.errors` has the kinds), or is closed.
        """
        try:
            with self:
                self._call_for_each_frame(self._open(True, None))
        finally:
            self._raise_interrupt()

    def _call_for_each_frame(self, cursor: _core.Cursor) -> None:
        try:
            while not self._closed:
                item = cursor.next()
                if item is None:
                    break
                frame, metadata = item[0], metadata_of(item)
                if self._model_mode:
                    self._handlers.call_frame_with_data(frame, parse_data(item[2]), metadata)
                else:
                    self._handlers.call_frame(frame, metadata)
                # Its buffer can be used again while the next one is waited for.
                item = frame = None
        finally:
            cursor.close()

    def video(self) -> FrameIterator:
        """The frames, for `for` or `async for`; see `FrameIterator`. Starts the session at the first step, never closes it."""
        return FrameIterator(self)

    def wait(self, timeout: Optional[float] = None) -> None:
        """Waits for the end of the stream and discards its frames; pictures are not even decoded to arrays.

        Returns too when the session is closed meanwhile. Does not close it.

        Args:
            timeout: seconds for the whole call, the start included; None has no limit.

        Raises:
            TimeoutError: the stream did not end in time; it goes on.
            ValueError: `timeout` is negative or no number.
            RuntimeError: the session failed (`framewire.errors` has the kinds), or is closed.
        """
        deadline = deadline_of(timeout)
        cursor = self._open(False, deadline, timeout)
        try:
            while cursor.next(remaining(deadline)) is not None:
                pass
        except TimeoutError:
            raise TimeoutError(f"the stream did not end within {timeout} s") from None
        finally:
            cursor.close()
            self._raise_interrupt()

    # Handlers

    def on_frame(self, callback: Handler) -> Handler:
        """Registers `callback(frame, metadata)` for `run()`; in model mode `(frame, data)` or `(frame, data, metadata)`.

        Several are called in the order of their registration. Returns the callback.

        The frame is BGR uint8 (height, width, 3), the caller's to keep and to write to.
        """
        self._handlers.add_frame(callback)
        return callback

    @overload
    def on_data(self, field_name: Handler) -> Handler: ...

    @overload
    def on_data(self, field_name: Optional[str] = None) -> Callable[[Handler], Handler]: ...

    def on_data(self, field_name: Any = None) -> Any:
        """Registers a handler for data: `@session.on_data`, `@session.on_data()` or `@session.on_data("field")`.

        Without a field: `handler(data[, metadata])` for every message, `data` being all outputs or None; the last one
        registered wins. With a field: `handler(value[, metadata])` for every message that has it, as many as wanted.
        Handlers run on a thread of the session, one message after the other, and do not need `run()`.
        """
        if callable(field_name):
            self._handlers.set_everything(field_name)
            self._connect_data()
            return field_name

        def register(handler: Handler) -> Handler:
            if field_name is None:
                self._handlers.set_everything(handler)
            else:
                self._handlers.add_field(field_name, handler)
            self._connect_data()
            return handler

        return register

    def on_error(self, callback: Handler) -> Handler:
        """Registers `callback(errors[, metadata])` for frames about which the worker reports errors (a list of str).

        Errors of the session itself are raised by `run`, `wait`, `video()` and `start` instead. Returns the callback.
        """
        self._handlers.add_error(callback)
        self._connect(on_errors="call_errors")
        return callback

    def on_gap(self, callback: Handler) -> Handler:
        """Registers `callback(gap)`: the link broke and works again; called before the first frame after it (not in the original)."""
        self._handlers.add_gap(callback)
        self._connect(on_gap="call_gap")
        return callback

    def on_stream_error(self, callback: Handler) -> Handler:
        """Registers `callback(error)` for every `StreamError` of the running session (not in the original)."""
        self._handlers.add_stream_error(callback)
        self._connect(on_stream_error="call_stream_error")
        return callback

    # What the original lacks

    def reconfigure(self, *, stream_output: Optional[List[str]] = None, data_output: Optional[List[str]] = None) -> None:
        """Changes what comes back from the next result on; None leaves a list as it is, `[]` for video means to choose anew.

        Raises:
            ConfigurationError: no list of names.
            RuntimeError: the session is closed, or was started without video and none can be added.
        """
        changes = {
            name: None if value is None else names(value, name)
            for name, value in (("stream_output", stream_output), ("data_output", data_output))
        }
        with self._lock:
            self._check_usable()
            native = self._native
            if native is None:
                self._outputs.update({name: value for name, value in changes.items() if value is not None})
                return
        native.reconfigure(**changes)

    def pause(self) -> None:
        """Stops asking for frames; what is under way still comes. Deadlines rest too. Before the start it begins paused."""
        self._set_paused(True)

    def resume(self) -> None:
        """Goes on after `pause`."""
        self._set_paused(False)

    @property
    def paused(self) -> bool:
        """Whether the session is paused."""
        return self._paused

    def stats(self) -> Dict[str, Any]:
        """Figures of the session so far, as nested dicts; empty before the start. `received == delivered + dropped` at the end."""
        native = self._native
        return {} if native is None else cast(Dict[str, Any], json.loads(native.stats()))

    def errors(self) -> List[StreamError]:
        """The latest 256 errors that did not end the session, oldest first."""
        native = self._native
        return [] if native is None else [StreamError(*event) for event in native.errors()]

    @property
    def delivery(self) -> Optional[Delivery]:
        """How frames are delivered; None before the start, since the configuration may still change."""
        native = self._native
        return None if native is None else Delivery(*native.delivery)

    def _set_paused(self, paused: bool) -> None:
        with self._lock:
            self._check_usable()
            self._paused = paused
            native = self._native
        if native is not None:
            (native.pause if paused else native.resume)()


def _close_runner(runner: SourceRunner) -> None:
    if not in_session_thread():
        runner.close()
        return

    def close() -> None:
        try:
            runner.close()
        except Exception:
            logger.warning("cleanup of the source failed", exc_info=True)

    # A handler's thread belongs to the session: it must not wait for user code of the source.
    threading.Thread(target=close, name="framewire-close", daemon=True).start()
