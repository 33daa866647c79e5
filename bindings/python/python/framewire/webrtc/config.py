"""What a stream delivers (`StreamConfig`, as in the original) and how it is carried (`SessionOptions`, ours).

Not here: settings of the whole process, which are in `framewire.config`.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

__all__ = ["Bitrate", "Recovery", "SessionOptions", "StreamConfig"]


@dataclass
class StreamConfig:
    """Which outputs of the workflow come back, and how frames are processed.

    A session reads it when it starts: changes until then count, later ones do not (see `WebRTCSession.reconfigure`).
    """

    stream_output: List[str] = field(default_factory=list)
    """Names of workflow outputs to receive as video; the first one that exists is used. None is the same as `[]`."""

    data_output: List[str] = field(default_factory=list)
    """Names of workflow outputs to receive as data; `["*"]` is every output but pictures. None is the same as `[]`."""

    realtime_processing: bool = True
    """True: the newest frame wins and each drop is counted. False: every frame. A video file source decides by itself."""

    declared_fps: Optional[float] = None
    """Frames per second to announce; a webcam announces its own."""

    turn_server: Optional[Dict[str, Any]] = None
    """`{"urls": "turn:…", "username": "…", "credential": "…"}` or `{"iceServers": [...]}`; also a list of such servers."""

    workflow_parameters: Dict[str, Any] = field(default_factory=dict)
    """Further inputs of the workflow; must be expressible in JSON."""

    requested_plan: Optional[str] = None
    """Compute plan; hosted workers only."""

    requested_region: Optional[str] = None
    """Region; hosted workers only."""

    processing_timeout: Optional[int] = None
    """Seconds after which the worker ends the session; None is the worker's default."""


@dataclass(frozen=True)
class Recovery:
    """What happens when the link of a running session breaks.

    A running worker of ours keeps its session and gets a new network path (`ice_restart`). If that is not possible, up to
    `attempts` fresh sessions are made; frame numbers never go back and `on_gap` says what was missed.
    """

    ice_restart: bool = True
    attempts: int = 0
    """Fresh sessions per outage; 0: the session ends with its error."""
    backoff: float = 0.3
    """Seconds before the second attempt; doubles each time, with full jitter."""
    backoff_cap: float = 7.0
    """Longest pause between two attempts, in seconds."""
    total: float = 60.0
    """Longest time over one outage, in seconds."""

    @classmethod
    def off(cls) -> "Recovery":
        """Nothing is tried: a broken link ends the session with its error."""
        return cls(ice_restart=False, attempts=0)

    @classmethod
    def reconnect(cls, attempts: int = 10) -> "Recovery":
        """A new path for the running session, then fresh sessions."""
        return cls(attempts=attempts)


@dataclass(frozen=True)
class Bitrate:
    """Bits per second between which the video sent is steered."""

    start: int = 1_500_000
    floor: int = 100_000
    ceiling: int = 4_000_000


@dataclass(frozen=True)
class SessionOptions:
    """Limits and deadlines of one session, in seconds. None is the default, which the environment may have changed."""

    relay_only: Optional[bool] = None
    """Use TURN relays only, so that nobody learns this machine's addresses. Default False."""
    recovery: Optional[Recovery] = None
    """Default: `Recovery()`."""
    queue: Optional[int] = None
    """Frames kept ready for the consumer. Default 8 (`WEBRTC_VIDEO_QUEUE_MAX_SIZE`)."""
    max_frame_age: Optional[float] = None
    """Realtime: how long a frame may wait for its consumer once a newer one is there. Default 0.05."""
    fresh_results: Optional[float] = None
    """Realtime: after how long a result is lost rather than hold up newer ones; 0.2 is a good value. What a newer one overtook
    is dropped; `stats()["fresh_results"]` counts. No effect with an original worker. Default: every result comes, in order."""
    bitrate: Optional[Bitrate] = None
    """Sources that send video from here."""
    connect_timeout: Optional[float] = None
    """From the worker's answer to an open connection. Default 15; twice that while datagrams come in."""
    lost_after: Optional[float] = None
    """Silence after which the worker counts as lost. Default 30 with an original, 15 with a worker of ours."""
    signalling_timeout: Optional[float] = None
    """For the answer to the offer. Default 90."""
    reach_timeout: Optional[float] = None
    """For any HTTP answer of the worker's host. Default 10."""
    initial_frame_timeout: Optional[float] = None
    """For the first result. Default 90 (`WEBRTC_INITIAL_FRAME_TIMEOUT`)."""
    shutdown_timeout: Optional[float] = None
    """For the session's threads in `close()`. Default 2 (`WEBRTC_EVENT_LOOP_SHUTDOWN_TIMEOUT`)."""

    def _arguments(self) -> Dict[str, Any]:
        """Keyword arguments of the native options: those that are set."""
        recovery: Optional[Tuple[Any, ...]] = None
        if self.recovery is not None:
            one = self.recovery
            recovery = (one.ice_restart, one.attempts, one.backoff, one.backoff_cap, one.total)
        bitrate = None if self.bitrate is None else (self.bitrate.start, self.bitrate.floor, self.bitrate.ceiling)
        arguments = {
            "frame_queue": self.queue,
            "relay_only": self.relay_only,
            "recovery": recovery,
            "max_frame_age": self.max_frame_age,
            "bitrate": bitrate,
            "shutdown_timeout": self.shutdown_timeout,
            "initial_frame_timeout": self.initial_frame_timeout,
            "connect_timeout": self.connect_timeout,
            "lost_after": self.lost_after,
            "signalling_timeout": self.signalling_timeout,
            "reach_timeout": self.reach_timeout,
        }
        return {name: value for name, value in arguments.items() if value is not None}
