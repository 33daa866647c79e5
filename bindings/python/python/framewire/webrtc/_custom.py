"""Runs a user's own source: its coroutines on a loop of their own, its track into the native sender.

Not here: the stand-in it configures (`_peer`), and sources that nobody overrode (they need none of this).
"""

import asyncio
import concurrent.futures
import logging
import threading
from typing import TYPE_CHECKING, Any, Coroutine, Optional

from framewire.errors import ConnectError, SessionClosedError
from framewire.webrtc._peer import PeerConnection

if TYPE_CHECKING:
    from framewire import _core
    from framewire.webrtc.sources import StreamSource

__all__ = ["OutOfTime", "SourceRunner"]

logger = logging.getLogger("framewire.webrtc.sources")

CLEANUP_LIMIT = 2.0
"""Seconds a source's `cleanup` may take before `close` goes on without it."""
CONFIGURE_LIMIT = 90.0
"""Seconds a source may take to configure itself."""
_CONFIGURING = "configuring the source"
_END_OF_TRACK = "MediaStreamError"
"""Name of the exception by which tracks of aiortc say that they are over; aiortc itself is not needed."""


class OutOfTime(Exception):
    """The caller's own deadline has passed, which is no failure of the session."""


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
        if track is None:
            return
        try:
            self._loop.call_soon_threadsafe(self._start_pump, track, sender)
        except RuntimeError:
            # Closed meanwhile: the loop is gone, and the session takes no frames either.
            sender.close()

    def wait_configured(self, limit: Optional[float]) -> None:
        """Blocks until the source has said what it needs, for at most `limit` seconds or `CONFIGURE_LIMIT`.

        Raises:
            OutOfTime: not within `limit`; it goes on.
            SessionClosedError: the session was closed meanwhile.
            ConnectError: the source failed, or took longer than `CONFIGURE_LIMIT`.
        """
        short = limit is not None and limit < CONFIGURE_LIMIT
        concurrent.futures.wait([self.configured], limit if short else CONFIGURE_LIMIT)
        kind = type(self._source).__name__
        if not self.configured.done():
            if short:
                raise OutOfTime
            raise ConnectError(
                f"configuring {kind} did not finish within {CONFIGURE_LIMIT:g} s", kind="timeout", step=_CONFIGURING
            )
        try:
            self.configured.result()
        except concurrent.futures.CancelledError:
            raise SessionClosedError("the session was closed while its source was being configured") from None
        except Exception as error:
            raise ConnectError(
                f"{kind} could not be configured: {type(error).__name__}: {error}", kind="source_configure", step=_CONFIGURING
            ) from error

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
        concurrent.futures.wait([cleanup], CLEANUP_LIMIT)
        if not cleanup.done():
            logger.warning("cleanup() of %s did not end within %g s", type(self._source).__name__, CLEANUP_LIMIT)
            return
        try:
            cleanup.result()
        except Exception:
            if first:
                raise
        finally:
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
