"""Runs a user's own source: its coroutines on a loop of their own, its track into the native sender.

Not here: the stand-in it configures (`_peer`), and sources that nobody overrode (they need none of this).
"""

import asyncio
import concurrent.futures
import logging
import threading
from typing import TYPE_CHECKING, Any, Coroutine, Optional

from framewire.webrtc._peer import PeerConnection

if TYPE_CHECKING:
    from framewire import _core
    from framewire.webrtc.sources import StreamSource

__all__ = ["SourceRunner"]

logger = logging.getLogger("framewire.webrtc.sources")

CLEANUP_LIMIT = 2.0
"""Seconds a source's `cleanup` may take before `close` goes on without it."""
_END_OF_TRACK = "MediaStreamError"
"""Name of the exception by which tracks of aiortc say that they are over; aiortc itself is not needed."""


class SourceRunner:
    """The thread and loop of one source in one session. Holds neither the session nor its handlers."""

    def __init__(self, source: "StreamSource") -> None:
        self.connection = PeerConnection()
        self._source = source
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._cleanup: Optional["concurrent.futures.Future[None]"] = None
        self._configuring: Optional["asyncio.Task[None]"] = None
        self._pump: Optional["asyncio.Task[None]"] = None
        self._thread = threading.Thread(target=self._run, name="framewire-source", daemon=True)
        self._thread.start()
        self.configured: "concurrent.futures.Future[None]" = self._submit(self._configure())

    def begin(self, sender: "_core.Sender") -> None:
        """Starts to take frames from the track. Once only; without a track nothing happens."""
        track = self.connection._track
        if track is not None:
            self._loop.call_soon_threadsafe(self._start_pump, track, sender)

    def close(self) -> None:
        """Stops the track's frames, awaits `cleanup` once and ends the thread.

        On the runner's own thread it only starts that. Blocks for at most `CLEANUP_LIMIT` otherwise.

        Raises:
            Exception: what `cleanup` raised, to the first caller.
        """
        with self._lock:
            first = self._cleanup is None
            if self._cleanup is None:
                self._cleanup = self._submit(self._finish())
            cleanup = self._cleanup
        if threading.current_thread() is self._thread:
            return
        try:
            cleanup.result(CLEANUP_LIMIT)
        except concurrent.futures.TimeoutError:
            logger.warning("cleanup() of %s did not end within %g s", type(self._source).__name__, CLEANUP_LIMIT)
            return
        except Exception:
            if first:
                raise
        finally:
            if cleanup.done():
                self._thread.join(CLEANUP_LIMIT)

    def _submit(self, work: "Coroutine[Any, Any, None]") -> "concurrent.futures.Future[None]":
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            if tasks:
                self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _configure(self) -> None:
        self._configuring = asyncio.current_task()
        await self._source.configure_peer_connection(self.connection)

    def _start_pump(self, track: Any, sender: "_core.Sender") -> None:
        if self._cleanup is None:
            self._pump = self._loop.create_task(self._take_frames(track, sender))

    async def _take_frames(self, track: Any, sender: "_core.Sender") -> None:
        try:
            while True:
                frame = await track.recv()
                try:
                    sender.send(frame.to_ndarray(format="bgr24"))
                except RuntimeError:
                    # The session is over.
                    return
                # A track that never waits must not keep the loop from being stopped.
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if type(error).__name__ != _END_OF_TRACK and not isinstance(error, StopAsyncIteration):
                logger.warning("the track of %s failed; its input ends here", type(self._source).__name__, exc_info=True)
        finally:
            sender.close()

    async def _finish(self) -> None:
        running = [task for task in (self._configuring, self._pump) if task is not None and not task.done()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        try:
            await self._source.cleanup()
        finally:
            # After this coroutine's result is delivered: the caller must not wait for a stopped loop.
            self._loop.call_soon(self._loop.stop)
