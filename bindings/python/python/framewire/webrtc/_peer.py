"""The stand-in for a peer connection that a source configures.

Not here: any connection. It only notes what the source asked for.
"""

from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from framewire.webrtc.sources import NativeSource

__all__ = ["PeerConnection", "attach"]

_DIRECTIONS = ("sendrecv", "recvonly", "sendonly", "inactive")


class PeerConnection:
    """Takes one video track or transceiver, or one of this package's own sources."""

    def __init__(self) -> None:
        self._track: Optional[Any] = None
        self._direction: Optional[str] = None
        self._native: Optional["NativeSource"] = None

    def addTrack(self, track: Any) -> "PeerConnection":  # noqa: N802
        """Sends what `await track.recv()` returns: frames with `to_ndarray(format="bgr24")`.

        Raises:
            ValueError: no video track, or a second one.
        """
        self._take_track(track, "sendrecv")
        return self

    def addTransceiver(self, trackOrKind: Any, direction: str = "sendrecv") -> "PeerConnection":  # noqa: N802, N803
        """Receives video ("video" with direction "recvonly"), or sends a track.

        Raises:
            ValueError: another kind or direction, or a second section.
        """
        if direction not in _DIRECTIONS:
            raise ValueError(f"direction must be one of {', '.join(_DIRECTIONS)}, not {direction!r}")
        if not isinstance(trackOrKind, str):
            self._take_track(trackOrKind, direction)
            return self
        if trackOrKind != "video":
            raise ValueError(f"only video can be streamed, not {trackOrKind!r}")
        self._take_section(direction)
        return self

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{name!r} is not offered to sources: framewire takes addTrack and addTransceiver here; "
            "a source that needs the whole peer connection must stay with inference_sdk"
        )

    def _take_track(self, track: Any, direction: str) -> None:
        if not callable(getattr(track, "recv", None)) or getattr(track, "kind", "video") != "video":
            raise ValueError("a track must be video and have an async recv()")
        self._take_section(direction)
        if direction in ("sendrecv", "sendonly"):
            self._track = track

    def _take_section(self, direction: str) -> None:
        if self._direction is not None or self._native is not None:
            raise ValueError("the connection already has its one video section")
        self._direction = direction

    @property
    def _receives(self) -> bool:
        return self._direction in ("sendrecv", "recvonly")


def attach(pc: Any, source: "NativeSource") -> None:
    """Makes `source` the one of the connection.

    Raises:
        RuntimeError: `pc` is not this package's.
        ValueError: it already has a source or a track.
    """
    if not isinstance(pc, PeerConnection):
        raise RuntimeError(
            f"{type(source).__name__} of framewire cannot configure a {type(pc).__name__}; "
            "use it with a framewire session, or take the source of inference_sdk"
        )
    if pc._native is not None or pc._direction is not None:
        raise ValueError("the connection already has its source")
    pc._native = source
