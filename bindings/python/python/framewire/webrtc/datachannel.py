"""The framing of data-channel messages, for programs that speak it themselves.

Not here: how a session uses it; sessions of this package do all of this in native code.
"""

import asyncio
import os
import struct
from typing import Any, BinaryIO, Callable, Optional, Protocol, Tuple, Union

from framewire import _core
from framewire.config import WEBRTC_VIDEO_UPLOAD_BUFFER_LIMIT, WEBRTC_VIDEO_UPLOAD_CHUNK_SIZE

__all__ = ["ChunkReassembler", "UploadChannel", "VideoFileUploader", "create_video_upload_chunk"]

_HEADER = struct.Struct("<II")
_U32_MAX = 0xFFFF_FFFF
_READ_AHEAD = 1 << 20
"""Bytes read at once: few trips to another thread, and never a whole file in memory."""
_POLL_INTERVAL = 0.01
"""Seconds between looks at a channel that has no events."""
_STALL_LIMIT = 60.0
"""Seconds without any progress after which an upload fails; hosted workers give up after as many."""


class ChunkReassembler:
    """Puts the chunks of result messages together again.

    Holds at most 8 incomplete messages and 256 MiB; the oldest incomplete one goes first.
    """

    def __init__(self) -> None:
        self._native = _core.ChunkReassembler()

    def add_chunk(self, message: bytes) -> Tuple[Optional[bytes], Optional[int]]:
        """Takes one message with its 12-byte header (frame id, index, total: u32 little-endian).

        Returns:
            `(payload, frame_id)` once every chunk of the message is there, else `(None, None)`. Duplicates count once.

        Raises:
            ValueError: shorter than a header, `total` 0 or above 4096, index outside, or a total that contradicts the
                frame's other chunks. Other frames stay intact.
        """
        return self._native.add_chunk(bytes(message))


def create_video_upload_chunk(chunk_index: int, total_chunks: int, data: bytes) -> bytes:
    """One upload message: index and total as u32 little-endian, then `data`.

    Raises:
        ValueError: a number outside 0..2**32-1, or `chunk_index` not below `total_chunks`.
    """
    for name, value in (("chunk_index", chunk_index), ("total_chunks", total_chunks)):
        if not 0 <= value <= _U32_MAX:
            raise ValueError(f"{name} must be within 0 and {_U32_MAX}, not {value}")
    if chunk_index >= total_chunks:
        raise ValueError(f"chunk_index {chunk_index} must be below total_chunks {total_chunks}")
    return _HEADER.pack(chunk_index, total_chunks) + bytes(data)


class UploadChannel(Protocol):
    """What an upload needs of a channel; an aiortc `RTCDataChannel` has it.

    With `on` and `remove_listener` (an event emitter) the low-threshold event ends a wait; without them the channel is
    looked at every 10 ms.
    """

    @property
    def readyState(self) -> str:  # noqa: N802
        """"open" while messages can be sent."""
        ...

    @property
    def bufferedAmount(self) -> int:  # noqa: N802
        """Bytes not yet handed to the network."""
        ...

    def send(self, data: bytes) -> Any:
        """Queues one message."""
        ...


class VideoFileUploader:
    """Sends a file through a channel in chunks, never more than `buffer_limit` ahead of the network.

    Args:
        path: the file; its size is read at once.
        channel: where the chunks go.
        chunk_size: payload bytes of one message.
        buffer_limit: while `bufferedAmount` is above this, nothing is sent.

    Raises:
        OSError: the file cannot be found.
        ValueError: `chunk_size` below 1, `buffer_limit` below 0, or more chunks than the wire can number.
    """

    def __init__(
        self,
        path: Union[str, "os.PathLike[str]"],
        channel: UploadChannel,
        chunk_size: int = WEBRTC_VIDEO_UPLOAD_CHUNK_SIZE,
        buffer_limit: int = WEBRTC_VIDEO_UPLOAD_BUFFER_LIMIT,
    ) -> None:
        if chunk_size < 1:
            raise ValueError(f"chunk_size must be at least 1, not {chunk_size}")
        if buffer_limit < 0:
            raise ValueError(f"buffer_limit must be at least 0, not {buffer_limit}")
        self._path = os.fspath(path)
        self._channel = channel
        self._chunk_size = chunk_size
        self._buffer_limit = buffer_limit
        self._file_size = os.path.getsize(self._path)
        self._total_chunks = -(-self._file_size // chunk_size)
        self._uploaded_chunks = 0
        if self._total_chunks > _U32_MAX:
            raise ValueError(f"{self._path} needs {self._total_chunks} chunks of {chunk_size} bytes; at most {_U32_MAX} can be numbered")

    @property
    def file_size(self) -> int:
        """Size of the file in bytes when the uploader was made."""
        return self._file_size

    @property
    def total_chunks(self) -> int:
        """Messages the file takes."""
        return self._total_chunks

    @property
    def uploaded_chunks(self) -> int:
        """Messages handed to the channel so far."""
        return self._uploaded_chunks

    async def upload(self, on_progress: Optional[Callable[[int, int], None]] = None) -> None:
        """Sends every chunk in order; the file is read off the event loop.

        `on_progress(uploaded_chunks, total_chunks)` is called after each chunk; what it raises ends the upload.
        Cancelling stops between two chunks; the receiver then never completes the file.

        Raises:
            RuntimeError: the file is empty or changed its size, the channel is not open, or nothing moved for 60 s.
            OSError: the file cannot be read.
        """
        if self._file_size == 0:
            raise RuntimeError(f"{self._path} is empty: there is nothing to upload")
        self._uploaded_chunks = 0
        room = _Room(self._channel, self._buffer_limit)
        file = await asyncio.to_thread(open, self._path, "rb")
        try:
            await self._send(file, room, on_progress)
        finally:
            room.release()
            file.close()

    async def _send(self, file: BinaryIO, room: "_Room", on_progress: Optional[Callable[[int, int], None]]) -> None:
        ahead = max(1, _READ_AHEAD // self._chunk_size)
        for first in range(0, self._total_chunks, ahead):
            last = min(first + ahead, self._total_chunks)
            wanted = min(last * self._chunk_size, self._file_size) - first * self._chunk_size
            block, size = await asyncio.to_thread(_read, file, wanted)
            if size != self._file_size or len(block) != wanted:
                raise RuntimeError(
                    f"{self._path} changed while it was uploaded: it had {self._file_size} bytes and now has {size}"
                )
            for index in range(first, last):
                await room.wait()
                start = (index - first) * self._chunk_size
                chunk = block[start : start + self._chunk_size]
                self._channel.send(create_video_upload_chunk(index, self._total_chunks, chunk))
                self._uploaded_chunks = index + 1
                if on_progress is not None:
                    on_progress(self._uploaded_chunks, self._total_chunks)
                if index % 10 == 0:
                    await asyncio.sleep(0)


def _read(file: BinaryIO, wanted: int) -> Tuple[bytes, int]:
    # The size of the open file, not of the name: the name may be given to another file meanwhile.
    block = file.read(wanted)
    return block, os.fstat(file.fileno()).st_size


class _Room:
    """Waits until a channel has room: by its events where it has some, else by looking."""

    def __init__(self, channel: UploadChannel, limit: int) -> None:
        self._channel = channel
        self._limit = limit
        self._changed: Optional[asyncio.Event] = None
        emitter: Any = channel
        if not (hasattr(emitter, "on") and hasattr(emitter, "remove_listener")):
            return
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()
        try:
            self._threshold_before = emitter.bufferedAmountLowThreshold
            emitter.bufferedAmountLowThreshold = limit
        except AttributeError:
            return

        def wake(*_: Any) -> None:
            # An emitter may live on another thread.
            loop.call_soon_threadsafe(changed.set)

        self._wake = wake
        self._changed = changed
        emitter.on("bufferedamountlow", wake)
        emitter.on("close", wake)

    async def wait(self) -> None:
        """Returns once a message may be sent."""
        loop = asyncio.get_running_loop()
        seen = self._buffered()
        deadline = loop.time() + _STALL_LIMIT
        while True:
            if self._changed is not None:
                self._changed.clear()
            buffered = self._buffered()
            if buffered <= self._limit:
                return
            if buffered < seen:
                seen, deadline = buffered, loop.time() + _STALL_LIMIT
            if loop.time() >= deadline:
                raise RuntimeError(f"uploading stalled: the channel sent nothing for {_STALL_LIMIT:.0f} s")
            if self._changed is None:
                await asyncio.sleep(_POLL_INTERVAL)
                continue
            try:
                await asyncio.wait_for(self._changed.wait(), deadline - loop.time())
            except asyncio.TimeoutError:
                continue

    def release(self) -> None:
        """Leaves the channel as it was found."""
        if self._changed is None:
            return
        emitter: Any = self._channel
        for event in ("bufferedamountlow", "close"):
            try:
                emitter.remove_listener(event, self._wake)
            except (KeyError, ValueError):
                # A closed channel drops its listeners by itself.
                pass
        emitter.bufferedAmountLowThreshold = self._threshold_before

    def _buffered(self) -> int:
        if self._channel.readyState != "open":
            raise RuntimeError(f"the upload channel is {self._channel.readyState}, not open")
        return self._channel.bufferedAmount
