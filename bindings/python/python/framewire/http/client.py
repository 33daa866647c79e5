"""`InferenceHTTPClient`: where a worker is and how to authenticate there. Its one service here is `webrtc`.

Not here: the HTTP API of workers, for which inference_sdk remains the client.
"""

import threading
import warnings
from contextlib import contextmanager
from typing import Any, Iterator, Optional

from framewire.config import InferenceSDKGuidanceWarning
from framewire.http.entities import ApiKeyTransport, InferenceConfiguration
from framewire.webrtc.client import WebRTCClient

__all__ = ["InferenceHTTPClient"]

_guidance_lock = threading.Lock()
_guidance_given = False


class InferenceHTTPClient:
    """A worker's address and key; `client.webrtc.stream(…)` describes streams.

    Other members of the class of the same name in inference_sdk make HTTP requests; asking for one raises an
    `AttributeError` that says so.

    Args:
        api_url: address of the worker, such as "http://localhost:9001".
        api_key: may be absent for a worker that asks for none.
    """

    def __init__(self, api_url: str, api_key: Optional[str] = None) -> None:
        self._api_url = api_url
        self._api_key = api_key
        self._configuration = InferenceConfiguration.init_default()
        self._lock = threading.Lock()
        self._webrtc: Optional[WebRTCClient] = None
        self._webrtc_transport: Optional[ApiKeyTransport] = None
        self._told_about_transport = False

    @classmethod
    def init(cls, api_url: str, api_key: Optional[str] = None) -> "InferenceHTTPClient":
        """The same as the constructor."""
        return cls(api_url=api_url, api_key=api_key)

    @property
    def inference_configuration(self) -> InferenceConfiguration:
        """The configuration in force."""
        return self._configuration

    @property
    def webrtc(self) -> WebRTCClient:
        """Streams of this worker. The way the key travels is fixed at the first access."""
        with self._lock:
            if self._webrtc is None:
                self._webrtc_transport = self._transport()
                self._webrtc = WebRTCClient(self._api_url, self._api_key, self._webrtc_transport.value)
            return self._webrtc

    def configure(self, inference_configuration: InferenceConfiguration) -> "InferenceHTTPClient":
        """Sets the configuration; returns the client."""
        self._configuration = inference_configuration
        self._warn_if_too_late()
        return self

    @contextmanager
    def use_configuration(self, inference_configuration: InferenceConfiguration) -> Iterator["InferenceHTTPClient"]:
        """Sets the configuration for a `with` block."""
        before = self._configuration
        self._configuration = inference_configuration
        self._warn_if_too_late()
        try:
            yield self
        finally:
            self._configuration = before
            self._warn_if_too_late()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        raise AttributeError(
            f"framewire's {type(self).__name__} streams video and has no {name!r}; "
            f"for the HTTP API keep inference_sdk beside it: inference_sdk.InferenceHTTPClient(...).{name}"
        )

    def _transport(self) -> ApiKeyTransport:
        chosen = self._configuration.api_key_transport
        if chosen is not None:
            return ApiKeyTransport(chosen)
        _recommend_header_once()
        return ApiKeyTransport.LEGACY

    def _warn_if_too_late(self) -> None:
        if self._webrtc is None or self._told_about_transport:
            return
        configured = ApiKeyTransport(self._configuration.api_key_transport or ApiKeyTransport.LEGACY)
        fixed = self._webrtc_transport
        if fixed is None or configured is fixed:
            return
        self._told_about_transport = True
        warnings.warn(
            f"api_key_transport is now {configured.value!r}, but streams of this client keep {fixed.value!r}: it was fixed "
            "when webrtc was first used; make a new client for the other",
            InferenceSDKGuidanceWarning,
            stacklevel=3,
        )


def _recommend_header_once() -> None:
    global _guidance_given
    with _guidance_lock:
        if _guidance_given:
            return
        _guidance_given = True
    warnings.warn(
        "the API key travels in the request body; InferenceConfiguration(api_key_transport='header') sends it as "
        "Authorization header, which workers from 1.5.0 on understand, and 'legacy' keeps this without a warning",
        InferenceSDKGuidanceWarning,
        stacklevel=4,
    )
