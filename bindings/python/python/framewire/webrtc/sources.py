"""Where the frames of a stream come from: six sources, and `StreamSource` for one's own.

Not here: how a source is carried (native code), and how one's own is run (`_custom`).
"""

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Tuple, Union

from framewire import _core
from framewire.config import VIDEO_DOWNLOAD_CACHE_DIR, VIDEO_DOWNLOAD_TIMEOUT_SECONDS
from framewire.http.errors import InvalidParameterError
from framewire.webrtc._peer import attach

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from framewire.webrtc.config import StreamConfig

__all__ = [
    "DownloadProgressCallback",
    "LocalStreamSource",
    "MANUAL_SOURCE_QUEUE_MAX_SIZE",
    "MJPEGSource",
    "ManualSource",
    "RTSPSource",
    "StreamSource",
    "UploadProgressCallback",
    "VIDEO_DOWNLOAD_CACHE_DIR",
    "VIDEO_DOWNLOAD_TIMEOUT_SECONDS",
    "VideoFileSource",
    "WebcamSource",
]

UploadProgressCallback = Callable[[int, int], None]
"""Called with (uploaded_chunks, total_chunks), on a thread of the session."""
DownloadProgressCallback = Callable[[int, Optional[int]], None]
"""Called with (bytes_so_far, total_bytes or None), on a thread of the session."""

Guard = Callable[[str, Callable[..., Any]], Callable[..., None]]

MANUAL_SOURCE_QUEUE_MAX_SIZE = 10
"""Frames of a manual source that wait to be sent; a full queue drops the oldest."""


class StreamSource(ABC):
    """A source of frames. Subclass it for one's own.

    `configure_peer_connection` and `cleanup` run in an asyncio loop that belongs to the session.
    """

    @abstractmethod
    async def configure_peer_connection(self, pc: Any) -> None:
        """Says what the source needs, before anything connects.

        `pc` is no full peer connection. It has `addTrack(track)`, for an object whose `async recv()` returns frames with
        `to_ndarray(format="bgr24")` (an aiortc video track, for one), and `addTransceiver("video", direction="recvonly")`.
        """

    @abstractmethod
    def get_initialization_params(self, config: "StreamConfig") -> Dict[str, Any]:
        """Fields for the request to the worker; merged last, so they win over the session's own."""

    async def cleanup(self) -> None:
        """Releases what the source holds. Awaited once when the session closes, also after an error."""


class NativeSource(StreamSource):
    """A source that native code carries. Its three operations may still be overridden."""

    async def configure_peer_connection(self, pc: Any) -> None:
        """Puts this source on the session's connection.

        Raises:
            RuntimeError: `pc` is the peer connection of another library.
        """
        attach(pc, self)

    def open_native(self, guard: Guard) -> "_core.Source":
        """A native source for one session, whose handlers make callbacks safe by `guard`; internal."""
        raise NotImplementedError


def _check_scheme(url: str, what: str, schemes: Tuple[str, ...]) -> None:
    if not isinstance(url, str) or not url.lower().startswith(schemes):
        # The URL itself may hold a password.
        raise InvalidParameterError(f"the URL of {what} must begin with {' or '.join(schemes)}")


class WebcamSource(NativeSource):
    """A camera of this machine, opened when the session starts.

    Args:
        device_id: number of the device.
        resolution: (width, height) to ask it for.
    """

    def __init__(self, device_id: int = 0, resolution: Optional[Tuple[int, int]] = None) -> None:
        self.device_id = device_id
        self.resolution = resolution

    def get_initialization_params(self, config: "StreamConfig") -> Dict[str, Any]:
        """Nothing: the rate the device reports is announced by the session."""
        return {}

    def open_native(self, guard: Guard) -> "_core.Source":
        resolution = None if self.resolution is None else (int(self.resolution[0]), int(self.resolution[1]))
        return _core.Source.webcam(str(self.device_id), resolution)


class LocalStreamSource(NativeSource):
    """An RTSP or RTMP stream read by this machine and sent to the worker.

    Args:
        url: `rtsp://`, `rtsps://`, `rtmp://` or `rtmps://`; may hold user and password, which are never logged.

    Raises:
        InvalidParameterError: another scheme.
    """

    SUPPORTED_SCHEMES = ("rtsp://", "rtsps://", "rtmp://", "rtmps://")

    def __init__(self, url: str) -> None:
        _check_scheme(url, "a local stream", self.SUPPORTED_SCHEMES)
        self.url = url

    def get_initialization_params(self, config: "StreamConfig") -> Dict[str, Any]:
        """Nothing: the worker does not see the URL."""
        return {}

    def open_native(self, guard: Guard) -> "_core.Source":
        return _core.Source.local_stream(self.url)


class RTSPSource(NativeSource):
    """An RTSP stream that the worker reads.

    Args:
        url: `rtsp://` or `rtsps://`, as the worker reaches it.

    Raises:
        InvalidParameterError: another scheme.
    """

    def __init__(self, url: str) -> None:
        _check_scheme(url, "an RTSP stream", ("rtsp://", "rtsps://"))
        self.url = url

    def get_initialization_params(self, config: "StreamConfig") -> Dict[str, Any]:
        """Names the stream to the worker."""
        return {"rtsp_url": self.url}

    def open_native(self, guard: Guard) -> "_core.Source":
        return _core.Source.rtsp(self.url)


class MJPEGSource(NativeSource):
    """A Motion-JPEG stream over HTTP that the worker reads.

    Args:
        url: `http://` or `https://`, as the worker reaches it.

    Raises:
        InvalidParameterError: another scheme.
    """

    def __init__(self, url: str) -> None:
        _check_scheme(url, "an MJPEG stream", ("http://", "https://"))
        self.url = url

    def get_initialization_params(self, config: "StreamConfig") -> Dict[str, Any]:
        """Names the stream to the worker."""
        return {"mjpeg_url": self.url}

    def open_native(self, guard: Guard) -> "_core.Source":
        return _core.Source.mjpeg(self.url)


class VideoFileSource(NativeSource):
    """A video file, uploaded to the worker, which sends back every frame (or, in realtime, plays it).

    A missing, empty or undecodable file is an error when the session starts, before anything connects.

    Args:
        path: file in any format FFmpeg reads, or an `http(s)` URL, which is downloaded first.
        on_upload_progress: called as (uploaded_chunks, total_chunks).
        use_datachannel_frames: True: frames come as pictures beside their data, none is lost. False: on a video track.
        realtime_processing: True: the worker plays at the file's speed. False: every frame, as fast as possible.
        use_cache: keep a download and use it again.
        on_download_progress: called as (bytes_so_far, total_bytes or None); not in the original.
    """

    def __init__(
        self,
        path: Union[str, "os.PathLike[str]"],
        on_upload_progress: Optional[UploadProgressCallback] = None,
        use_datachannel_frames: bool = True,
        realtime_processing: bool = False,
        use_cache: bool = True,
        *,
        on_download_progress: Optional[DownloadProgressCallback] = None,
    ) -> None:
        self.path = os.fspath(path)
        self.on_upload_progress = on_upload_progress
        self.use_datachannel_frames = use_datachannel_frames
        self.realtime_processing = realtime_processing
        self.use_cache = use_cache
        self.on_download_progress = on_download_progress

    def get_initialization_params(self, config: "StreamConfig") -> Dict[str, Any]:
        """How the worker is to process the file. With frames on the data channel, pictures are asked for as data."""
        params: Dict[str, Any] = {"webrtc_realtime_processing": self.realtime_processing, "video_file_upload": True}
        if self.use_datachannel_frames:
            data = list(config.data_output or [])
            data += [name for name in dict.fromkeys(config.stream_output or []) if name and name not in data]
            params["stream_output"] = []
            params["data_output"] = data
        return params

    def open_native(self, guard: Guard) -> "_core.Source":
        return _core.Source.file(
            self.path,
            self.use_datachannel_frames,
            self.realtime_processing,
            self.use_cache,
            None if self.on_upload_progress is None else guard("upload progress", self.on_upload_progress),
            None if self.on_download_progress is None else guard("download progress", self.on_download_progress),
        )


class ManualSource(NativeSource):
    """Frames the program pushes itself, newest first: a full queue drops the oldest and counts it."""

    def __init__(self) -> None:
        self._sender: Optional["_core.Sender"] = None

    def get_initialization_params(self, config: "StreamConfig") -> Dict[str, Any]:
        """Tells the worker that frames are pushed; workers do not use it."""
        return {"manual_mode": True}

    def send(self, frame: "npt.NDArray[np.uint8]") -> None:
        """Sends one frame, from any thread. Copies it; the array may be reused at once. Never waits for the network.

        Args:
            frame: BGR, shape (height, width, 3), dtype uint8, any strides.

        Raises:
            RuntimeError: the session has not started, or is closed.
            ValueError: another shape.
            TypeError: another dtype, or no array.
        """
        if self._sender is None:
            raise RuntimeError("the session of this source has not started: use run(), wait(), video() or start() first")
        self._sender.send(frame)

    def close(self) -> None:
        """Ends the input: what was sent is still processed, then the stream ends (not in the original)."""
        if self._sender is not None:
            self._sender.close()

    def open_native(self, guard: Guard) -> "_core.Source":
        source, self._sender = _core.Source.manual()
        return source
