"""From a Python source to a native one: which need a runner, and what of the request they change.

Not here: running a user's own source (`_custom`).
"""

from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple, Type

from framewire import _core
from framewire.errors import ConfigurationError
from framewire.webrtc import sources
from framewire.webrtc._peer import PeerConnection

if TYPE_CHECKING:
    from framewire.webrtc.config import StreamConfig

__all__ = ["custom_source", "is_plain", "overrides"]

_OWN: Tuple[Type[sources.NativeSource], ...] = (
    sources.WebcamSource,
    sources.LocalStreamSource,
    sources.RTSPSource,
    sources.MJPEGSource,
    sources.VideoFileSource,
    sources.ManualSource,
)


def is_plain(source: Any) -> bool:
    """Whether native code can carry the source alone: one of ours whose coroutines nobody overrode."""
    kind = type(source)
    return isinstance(source, sources.NativeSource) and (
        kind.configure_peer_connection is sources.NativeSource.configure_peer_connection
        and kind.cleanup is sources.StreamSource.cleanup
    )


def custom_source(connection: PeerConnection, guard: sources.Guard) -> Tuple["_core.Source", Optional["_core.Sender"]]:
    """The native source for what was configured, and where its frames go."""
    native = connection._native
    if native is not None:
        return native.open_native(guard), None
    return _core.Source.custom(connection._track is not None, connection._receives)


def overrides(
    source: sources.StreamSource, base: Optional[sources.StreamSource], config: "StreamConfig"
) -> Dict[str, Any]:
    """The request fields that `source` asks for beyond what native code sends for `base` by itself. Runs user code.

    Raises:
        ConfigurationError: the source gave no dict.
    """
    known: Dict[str, Any] = {}
    for own in _OWN:
        if isinstance(base, own):
            if source is base and type(source).get_initialization_params is own.get_initialization_params:
                return {}
            known = own.get_initialization_params(base, config)
            break
    missing = object()
    asked = source.get_initialization_params(config)
    if not isinstance(asked, dict):
        raise ConfigurationError(f"get_initialization_params() must return a dict, not {type(asked).__name__}")
    return {name: value for name, value in asked.items() if known.get(name, missing) != value}
