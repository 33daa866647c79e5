"""Streaming: `WebRTCClient`, sessions, sources. The names are those of `inference_sdk.webrtc`, and some more.

Not here: the HTTP API of workers.
"""

from framewire.webrtc.client import WebRTCClient
from framewire.webrtc.config import Bitrate, Recovery, SessionOptions, StreamConfig
from framewire.webrtc.session import Delivery, Gap, SessionState, StreamError, VideoMetadata, WebRTCSession
from framewire.webrtc.sources import (
    DownloadProgressCallback,
    LocalStreamSource,
    ManualSource,
    MJPEGSource,
    RTSPSource,
    StreamSource,
    UploadProgressCallback,
    VideoFileSource,
    WebcamSource,
)

__all__ = [
    "Bitrate",
    "Delivery",
    "DownloadProgressCallback",
    "Gap",
    "LocalStreamSource",
    "MJPEGSource",
    "ManualSource",
    "RTSPSource",
    "Recovery",
    "SessionOptions",
    "SessionState",
    "StreamConfig",
    "StreamError",
    "StreamSource",
    "UploadProgressCallback",
    "VideoFileSource",
    "VideoMetadata",
    "WebRTCClient",
    "WebRTCSession",
    "WebcamSource",
]
