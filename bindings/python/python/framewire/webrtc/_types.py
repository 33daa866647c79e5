"""The values a session hands out: states, metadata, events.

Not here: anything that acts.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Dict, List, Optional

__all__ = ["Delivery", "Gap", "SessionState", "StreamError", "VideoMetadata"]


class SessionState(Enum):
    """Where a session is in its life. It never goes back."""

    NOT_STARTED = "not_started"
    STARTED = "started"
    CLOSED = "closed"


@dataclass
class VideoMetadata:
    """What the worker says about one frame.

    A frame of a video track for which nothing came from the worker has its time on the track as `frame_id` and `pts`.
    """

    frame_id: int
    """Counts the frames of the source from 1."""
    received_at: datetime
    """When the worker read the frame, in the worker's local time and usually without zone."""
    pts: Optional[int] = None
    """Presentation time in units of `time_base`."""
    time_base: Optional[float] = None
    """Seconds per tick of `pts`."""
    declared_fps: Optional[float] = None
    """Announced frames per second."""
    measured_fps: Optional[float] = None
    """Measured frames per second."""
    errors: List[str] = field(default_factory=list)
    """What went wrong with this frame; empty when nothing did."""


@dataclass(frozen=True)
class Delivery:
    """How frames are delivered: every one, or the newest."""

    mode: str
    """"lossless" or "latest"."""
    max_age: Optional[float] = None
    """Of "latest": seconds a frame may wait once a newer one is there."""

    def __str__(self) -> str:
        return self.mode if self.max_age is None else f"{self.mode}({self.max_age:g} s)"


@dataclass(frozen=True)
class StreamError:
    """Something that went wrong in a session that goes on."""

    kind: str
    """"worker", "bad_message", "frame_dropped", "handler", "stalled", …"""
    reason: Optional[str]
    """Finer than `kind`, such as why a frame was dropped."""
    frame_id: Optional[int]
    """The frame it belongs to, when it is known."""
    message: str
    """For people."""


@dataclass(frozen=True)
class Gap:
    """The session broke and goes on: what was missed."""

    after: Optional[int] = None
    """The last frame before; None when there was none."""
    resumed_at: Optional[int] = None
    """The first frame after."""
    missed: Optional[int] = None
    """Frames in between, when it can be known."""
    outage: float = 0.0
    """Seconds without the worker."""
    cause: str = ""
    """What broke, for people."""
    attempts: int = 0
    """Fresh sessions that were tried."""

    @classmethod
    def from_native(cls, event: Dict[str, Any]) -> "Gap":
        """Takes the known fields; a newer native part may tell more."""
        return cls(**{name: event[name] for name in cls.__dataclass_fields__ if name in event})
