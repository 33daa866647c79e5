"""How a session starts: a source is configured, the native session made, handlers connected; by whichever consumer is first.

Not here: what a user calls (`session`), and the arguments of the native session (`_request`).
"""

import logging
import os
import threading
import time
import weakref
from typing import Any, Callable, Dict, List, Optional, cast

from framewire import _core, _lifecycle
from framewire.errors import SessionClosedError
from framewire.webrtc._custom import OutOfTime, SourceRunner
from framewire.webrtc._handlers import Handlers, on_session_thread
from framewire.webrtc._native import custom_source, is_plain, overrides
from framewire.webrtc._request import native_session
from framewire.webrtc.config import SessionOptions, StreamConfig
from framewire.webrtc.sources import NativeSource, StreamSource

__all__ = ["Starting", "deadline_of", "remaining"]

logger = logging.getLogger("framewire.webrtc.session")


class Starting:
    """The half of a session that brings it to life."""

    _api_url: str
    _api_key: Optional[str]
    _api_key_transport: str
    _source: StreamSource
    _image_input_name: str
    _workflow_config: Dict[str, Any]
    _config: StreamConfig
    _model_mode: bool
    _predictions_output: str
    _options: SessionOptions
    _handlers: Handlers
    _pid: int
    _lock: threading.RLock
    _asking: threading.RLock
    _extra: Optional[Dict[str, Any]]
    _closed: bool
    _paused: bool
    _outputs: Dict[str, Optional[List[str]]]
    _native: Optional[_core.Session]
    _runner: Optional[SourceRunner]
    _sender: Optional[_core.Sender]

    def close(self) -> None:
        """Ends the session; after a start that failed too."""
        raise NotImplementedError

    def _check_usable(self) -> None:
        if os.getpid() != self._pid:
            raise RuntimeError(
                "this session belongs to the parent of a fork and cannot be used here; make sessions after forking"
            )
        if self._closed:
            raise SessionClosedError("cannot use a closed session; make a new one with stream()")

    def _open(self, pictures: bool, deadline: Optional[float], timeout: Optional[float] = None) -> _core.Cursor:
        """Starts the session if need be; a new consumer of its frames."""
        return self._start(deadline, timeout).cursor(pictures)

    def _start(self, deadline: Optional[float], timeout: Optional[float] = None) -> _core.Session:
        # It closed the session: first the reason, and only the next use is told of the end.
        self._raise_interrupt()
        self._check_usable()
        try:
            native = self._prepare(deadline)
            if not native.start(remaining(deadline)):
                raise OutOfTime
        except OutOfTime:
            raise TimeoutError(f"the session did not start within {timeout} s; it goes on starting") from None
        except BaseException:
            self._close_after_failure()
            self._raise_interrupt()
            raise
        with self._lock:
            runner, sender, self._sender = self._runner, self._sender, None
        if runner is not None and sender is not None:
            runner.begin(sender)
        return native

    def _close_after_failure(self) -> None:
        try:
            self.close()
        except Exception:
            logger.warning("releasing a session that failed to start failed too", exc_info=True)

    def _prepare(self, deadline: Optional[float]) -> _core.Session:
        """The native session; a user's own source is configured first."""
        with self._lock:
            self._check_usable()
            if self._native is not None:
                return self._native
            _lifecycle.remember(self)
            if self._runner is None and not is_plain(self._source):
                self._runner = SourceRunner(self._source)
            runner = self._runner
        if runner is not None:
            runner.wait_configured(remaining(deadline))
        # Code of the user, for one caller alone, and never under the lock that `close` needs.
        with self._asking:
            if self._extra is None:
                base = self._source if runner is None else runner.connection._native
                self._extra = overrides(self._source, base, self._config)
        with self._lock:
            self._check_usable()
            return self._native or self._build(self._extra)

    def _build(self, extra: Dict[str, Any]) -> _core.Session:
        """Makes the native session from what is configured now. The lock is held; nothing here blocks."""
        guard = self._handlers.guarded
        if self._runner is None:
            source = cast(NativeSource, self._source).open_native(guard)
        else:
            source, self._sender = custom_source(self._runner.connection, guard)
        native = native_session(
            api_url=self._api_url,
            api_key=self._api_key,
            api_key_transport=self._api_key_transport,
            source=source,
            workflow=self._workflow_config,
            image_input=self._image_input_name,
            settings=self._config,
            outputs=self._outputs,
            extra=extra,
            predictions_output=self._predictions_output if self._model_mode else None,
            options=self._options,
        )
        self._native = native
        self._watch()
        if self._paused:
            native.pause()
        if self._closed:
            # A signal handler of this thread closed the session a moment ago.
            native.close()
            self._check_usable()
        return native

    def _watch(self) -> None:
        """Connects the handlers there are; what they call back must not keep this session alive."""
        handlers = self._handlers
        weak = weakref.ref(self)

        def failed(text: str) -> None:
            session = weak()
            if session is not None and session._native is not None:
                session._native.note_handler_error(text)

        def interrupted() -> None:
            session = weak()
            if session is not None:
                session.close()

        handlers.failed, handlers.interrupted = failed, interrupted
        if handlers.wants_data:
            self._connect_data()
        if handlers.error:
            self._connect(on_errors="call_errors")
        if handlers.gap:
            self._connect(on_gap="call_gap")
        if handlers.stream_error:
            self._connect(on_stream_error="call_stream_error")

    def _connect_data(self) -> None:
        self._connect(on_result="call_result")

    def _connect(self, **methods: str) -> None:
        """Lets native code call methods of the handlers. It must keep neither them nor this session alive."""
        with self._lock:
            if self._native is None or self._closed:
                return
            calls = {name: _weak_call(self._handlers, method) for name, method in methods.items()}
            self._native.set_callbacks(**calls)

    def _raise_interrupt(self) -> None:
        interrupt, self._handlers.interrupt = self._handlers.interrupt, None
        if interrupt is not None:
            raise interrupt


def _weak_call(handlers: Handlers, method: str) -> Callable[..., None]:
    reference = weakref.ref(handlers)

    def call(*arguments: Any) -> None:
        target = reference()
        if target is not None:
            with on_session_thread():
                getattr(target, method)(*arguments)

    return call


def deadline_of(timeout: Optional[float]) -> Optional[float]:
    """When a wait of so many seconds has to end.

    Raises:
        ValueError: negative or no number.
    """
    if timeout is not None and not timeout >= 0:
        raise ValueError(f"a timeout is a number of seconds, 0 or more, not {timeout}")
    return None if timeout is None else time.monotonic() + timeout


def remaining(deadline: Optional[float]) -> Optional[float]:
    """Seconds until then."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())
