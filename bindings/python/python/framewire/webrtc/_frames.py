"""Iteration over the frames of a session, blocking or in asyncio.

Not here: handlers, and starting the session.
"""

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Iterator, Optional, Tuple, TypeVar

from framewire.webrtc._handlers import metadata_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from framewire import _core
    from framewire.webrtc.session import WebRTCSession

__all__ = ["FrameIterator", "in_thread", "parse_data"]

T = TypeVar("T")
FramePair = Tuple["npt.NDArray[np.uint8]", Any]
"""(frame, metadata), or (frame, data) in model mode."""


class FrameIterator(Iterator[FramePair], AsyncIterator[FramePair]):
    """What `session.video()` returns: use it in `for` or in `async for`, not in both.

    Yields `(frame, metadata)`, in model mode `(frame, data)`; the frame is BGR uint8 (height, width, 3), the caller's to
    keep and to write to. The first step starts the session. Ends with the stream or when the session is closed; raises the
    session's error once. A frame counts as handled when the next one is asked for, or when another
    consumer waits for one.
    """

    def __init__(self, session: "WebRTCSession") -> None:
        self._session: Optional["WebRTCSession"] = session
        self._cursor: Optional["_core.Cursor"] = None
        self._awaiting = False

    def __iter__(self) -> "FrameIterator":
        return self

    def __next__(self) -> FramePair:
        session = self._session
        if session is None:
            raise StopIteration
        try:
            pair = self._take(session, (self._cursor or self._keep(session._open(True, None))).next())
        except Exception as error:
            self._close_after(error)
            session._raise_interrupt()
            raise
        if pair is None:
            raise StopIteration
        return pair

    def __aiter__(self) -> "FrameIterator":
        return self

    async def __anext__(self) -> FramePair:
        """Waits on the event loop; cancelling loses no frame."""
        session = self._session
        if session is None:
            raise StopAsyncIteration
        if self._awaiting:
            raise RuntimeError("this iterator is being awaited already; call video() again for a second consumer")
        self._awaiting = True
        try:
            pair = await self._next_in_loop(session)
        except Exception as error:
            self._close_after(error)
            session._raise_interrupt()
            raise
        finally:
            self._awaiting = False
        if pair is None:
            raise StopAsyncIteration
        return pair

    def close(self) -> None:
        """Ends the iteration, not the session; from any thread or task, also while another one waits for a frame."""
        cursor, self._cursor, self._session = self._cursor, None, None
        if cursor is not None:
            cursor.close()

    def _keep(self, cursor: "_core.Cursor") -> "_core.Cursor":
        self._cursor = cursor
        if self._session is None:
            # Closed while the session was starting.
            self._cursor = None
            cursor.close()
        return cursor

    def _close_after(self, error: Exception) -> None:
        # A bare RuntimeError says how the iterator may not be used: whoever uses it rightly goes on.
        if type(error) is not RuntimeError:
            self.close()

    async def _next_in_loop(self, session: "WebRTCSession") -> Optional[FramePair]:
        # Held here, so that after `close` the descriptor still exists to wake this task and to be taken off the loop.
        cursor = self._cursor or self._keep(await in_thread(lambda: session._open(True, None)))
        # Frames that are always there would otherwise keep every other task waiting.
        await asyncio.sleep(0)
        while True:
            item = cursor.poll()
            if not isinstance(item, type(NotImplemented)):
                return self._take(session, item)
            await _readable(cursor.fileno())

    def _take(self, session: "WebRTCSession", item: Optional["_core.Item"]) -> Optional[FramePair]:
        if item is None:
            self.close()
            session._raise_interrupt()
            return None
        frame = item[0]
        assert frame is not None, "a cursor with pictures gives pictures"
        return frame, parse_data(item[2]) if session._model_mode else metadata_of(item)


def parse_data(text: Optional[bytes]) -> Any:
    """The predictions of one frame; None when there are none."""
    return None if text is None else json.loads(text)


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready: "asyncio.Future[None]" = loop.create_future()

    def wake() -> None:
        loop.remove_reader(descriptor)
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, wake)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


async def in_thread(work: Callable[[], T]) -> T:
    """Runs blocking work on a thread of its own. Cancelling stops the wait, not the work.

    Not the loop's executor: its threads are waited for at the end of the loop, and may all be busy.
    """
    loop = asyncio.get_running_loop()
    outcome: "asyncio.Future[T]" = loop.create_future()

    def deliver(result: Optional[T], error: Optional[BaseException]) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: Optional[T] = None
        error: Optional[BaseException] = None
        try:
            result = work()
        except BaseException as raised:
            error = raised
        try:
            loop.call_soon_threadsafe(deliver, result, error)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            return

    threading.Thread(target=run, name="framewire-call", daemon=True).start()
    return await outcome
