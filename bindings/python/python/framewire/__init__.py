"""Video through an inference worker over WebRTC. `framewire.webrtc` has the sources and sessions.

Not here: the HTTP API of workers, for which inference_sdk remains the client.
"""

from importlib.metadata import PackageNotFoundError, version

from framewire.config import INFERENCE_WARNINGS_DISABLED
from framewire.http.client import InferenceHTTPClient
from framewire.http.entities import ApiKeyTransport, InferenceConfiguration, VisualisationResponseFormat

__all__ = [
    "INFERENCE_WARNINGS_DISABLED",
    "ApiKeyTransport",
    "InferenceConfiguration",
    "InferenceHTTPClient",
    "VisualisationResponseFormat",
    "__version__",
]

try:
    __version__ = version("framewire")
except PackageNotFoundError:
    __version__ = "development"
