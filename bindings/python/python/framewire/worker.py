"""A worker that runs a function of your own on every frame: your model, in whatever framework, as a worker.

    from framewire.worker import serve

    def process(frame, metadata):
        boxes = model(frame)                       # frame: uint8, (height, width, 3), BGR, yours to write to
        return {"image": draw(frame, boxes), "predictions": boxes.tolist()}

    serve(process)                                 # http://127.0.0.1:9001, until Ctrl-C or SIGTERM

Clients of this package and of the original one stream to it as to any worker. Not here: workflows; the function runs in
their place, whatever workflow or model a client names.
"""

import atexit
import logging
import os
import queue
import signal
import threading
import weakref
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Sequence, Tuple, Type

from framewire import _core

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["FrameMetadata", "Process", "Worker", "serve"]

logger = logging.getLogger("framewire.worker")

_LOGGED_FAILURES = 5


@dataclass
class FrameMetadata:
    """What is known about the frame that a function is called with."""

    frame_id: int
    """Counts the frames of the session from 1, without gaps."""
    received_at: datetime
    """When the frame was read, local time without zone."""
    pts: Optional[int]
    """Presentation time in units of `time_base`; counted from the first frame for live sources."""
    time_base: Optional[float]
    """Seconds per tick of `pts`."""
    declared_fps: Optional[float]
    """The rate in the file, or what the client says."""
    measured_fps: Optional[float]
    """The rate at which frames come here."""
    comes_from_video_file: Optional[bool]
    """Whether the client sent a file."""
    total_frames: Optional[int]
    """Frames in the file, when it says so."""
    workflow_parameters: Dict[str, Any]
    """What the client set as `workflow_parameters`; the same dict for all frames of a session."""


Process = Callable[["npt.NDArray[np.uint8]", FrameMetadata], Dict[str, Any]]
"""A function for one frame.

It gets the frame, `uint8` of shape (height, width, 3), BGR, its own copy, and returns the outputs by name. Pictures are
`uint8` arrays of shape (height, width, 3) or (height, width), at the top level of the dict. All else is sent as JSON:
numbers, texts, bools, None, lists, tuples, dicts, NumPy scalars and other arrays; NaN and infinity become null. Whatever it
raises becomes an error of its frame.
"""


class Worker:
    """A worker in this process. It runs from its making until `stop()`, or to the end of a `with` block.

        with Worker(process, port=0) as worker:
            print(worker.url)

    Each session calls the function from one thread of its own, frame after frame; several sessions call it at the same time.
    Give `factory` instead when sessions need a state of their own, or `max_sessions=1` when the function must not be called
    twice at once. While a call runs, connections are kept alive; a slow function gets every frame of a batch session, and the
    newest of a realtime one.

    Args:
        process: the function for each frame of every session.
        factory: makes one such function for each session, on the session's thread, when its first frame is there. A class
            whose instances are callable is a factory.
        host, port: where to listen for requests; port 0 takes any free one. Anything but loopback needs `api_keys`.
        media_port: UDP port of all sessions; 0 takes any free one.
        public_ips: addresses to offer besides those of the interfaces, for a worker behind NAT.
        max_sessions: sessions at once, 4 for each core by default; a client over it is refused (429).
        api_keys: keys that clients may use; none: everyone who can reach it.
        insecure: listen on a public address without keys.

    Raises:
        OSError: the address or port cannot be used.
        TypeError, ValueError: an argument makes no sense.
        RuntimeError: this process is a fork of one that used framewire.
    """

    def __init__(
        self,
        process: Optional[Process] = None,
        *,
        factory: Optional[Callable[[], Process]] = None,
        host: str = "127.0.0.1",
        port: int = 9001,
        media_port: int = 0,
        public_ips: Sequence[str] = (),
        max_sessions: Optional[int] = None,
        api_keys: Sequence[str] = (),
        insecure: bool = False,
    ) -> None:
        self._core = _core.Worker(
            _maker(process, factory),
            host=host,
            port=port,
            media_port=media_port,
            public_ips=list(public_ips),
            max_sessions=max_sessions,
            api_keys=list(api_keys),
            insecure=insecure,
        )
        _living.add(self)

    @property
    def url(self) -> str:
        """Where clients find it."""
        return self._core.url

    @property
    def port(self) -> int:
        """The HTTP port."""
        return self._core.port

    @property
    def media_port(self) -> int:
        """The UDP port."""
        return self._core.media_port

    def stop(self, timeout: float = 0.0) -> bool:
        """Takes no new session, lets the running ones go on for `timeout` seconds, then ends them.

        Returns whether all of them finished by themselves. Blocks, for up to 15 s more while a call of the function does not
        return; it cannot be interrupted. From inside the function it returns at once. Calling it again does nothing.
        """
        _living.discard(self)
        return self._core.stop(timeout)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.stop()


def serve(
    process: Optional[Process] = None,
    *,
    factory: Optional[Callable[[], Process]] = None,
    host: str = "127.0.0.1",
    port: int = 9001,
    media_port: int = 0,
    public_ips: Sequence[str] = (),
    max_sessions: Optional[int] = None,
    api_keys: Sequence[str] = (),
    insecure: bool = False,
) -> None:
    """Runs a worker until Ctrl-C or SIGTERM, then ends its sessions and returns. Arguments as for `Worker`.

    Prints its address. Needs the main thread, because it listens to signals; use `Worker` elsewhere. A second signal, while a
    call of the function holds up the end, acts as if nobody listened.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("serve() listens to signals and needs the main thread; use framewire.worker.Worker")
    # Its put() may run in the middle of its own get(), as a signal handler must.
    signals: "queue.SimpleQueue[int]" = queue.SimpleQueue()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, lambda number, frame: signals.put(number))
        worker = Worker(
            process,
            factory=factory,
            host=host,
            port=port,
            media_port=media_port,
            public_ips=public_ips,
            max_sessions=max_sessions,
            api_keys=api_keys,
            insecure=insecure,
        )
        print(f"framewire worker listening on {worker.url}", flush=True)
        signals.get()
    finally:
        for number, handler in before.items():
            # None: it was not installed from Python and cannot be put back from here.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
    worker.stop()


def _maker(process: Optional[Process], factory: Optional[Callable[[], Process]]) -> Callable[[], Any]:
    """What native code calls once for each session."""
    if (process is None) == (factory is None):
        raise TypeError("give either process or factory")
    for name, value in (("process", process), ("factory", factory)):
        if value is not None and not callable(value):
            raise TypeError(f"{name} is a callable, not {type(value).__name__}")

    def make() -> Callable[["npt.NDArray[np.uint8]", Tuple[Any, ...]], Dict[str, Any]]:
        function = process
        if factory is not None:
            try:
                function = factory()
            except BaseException:
                logger.exception("the factory failed; this frame has its error, the next one tries again")
                raise
        if not callable(function):
            raise TypeError(f"the factory returned {type(function).__name__}, not a callable")
        return _logged(function)

    return make


def _logged(function: Process) -> Callable[["npt.NDArray[np.uint8]", Tuple[Any, ...]], Dict[str, Any]]:
    """The function with its first failures in the log: a client gets only their text."""
    failures = 0

    def call(frame: "npt.NDArray[np.uint8]", fields: Tuple[Any, ...]) -> Dict[str, Any]:
        nonlocal failures
        frame_id, received_at, *rest = fields
        try:
            return function(frame, FrameMetadata(frame_id, datetime.fromisoformat(received_at), *rest))
        except BaseException:
            failures += 1
            if failures <= _LOGGED_FAILURES:
                last = ", further ones of this session are not logged" if failures == _LOGGED_FAILURES else ""
                logger.exception("process() failed for frame %d%s", frame_id, last)
            raise

    return call


_living: "weakref.WeakSet[Worker]" = weakref.WeakSet()


def _stop_all() -> None:
    for worker in list(_living):
        worker.stop()
    # As Python waits for its own threads: a call that outlived the interpreter would end the process the hard way.
    _core.wait_for_processors()


def _after_fork_in_child() -> None:
    # The parent's workers are the parent's.
    _living.clear()


atexit.register(_stop_all)
os.register_at_fork(after_in_child=_after_fork_in_child)
