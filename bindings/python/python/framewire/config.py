"""Settings of this process, read from the environment once, when the module is imported.

Not here: what one stream delivers, which is `framewire.webrtc.StreamConfig`.
"""

import os
import warnings
from typing import AbstractSet, Optional

__all__ = [
    "ALLOW_NON_HTTPS_URL_INPUT",
    "ALLOW_URL_INPUT",
    "ALLOW_URL_INPUT_WITHOUT_FQDN",
    "ALLOW_URL_TO_NON_GLOBAL_ADDRESSES",
    "ALL_ROBOFLOW_API_URLS",
    "BLACKLISTED_DESTINATIONS_FOR_URL_INPUT",
    "INFERENCE_WARNINGS_DISABLED",
    "InferenceSDKDeprecationWarning",
    "InferenceSDKGuidanceWarning",
    "MAX_IMAGE_URL_REDIRECTS",
    "RF_API_BASE_URL",
    "VALIDATE_IMAGE_URL_REDIRECTS",
    "VIDEO_DOWNLOAD_CACHE_DIR",
    "VIDEO_DOWNLOAD_TIMEOUT_SECONDS",
    "WEBRTC_EVENT_LOOP_SHUTDOWN_TIMEOUT",
    "WEBRTC_INITIAL_FRAME_TIMEOUT",
    "WEBRTC_VIDEO_QUEUE_MAX_SIZE",
    "WEBRTC_VIDEO_UPLOAD_BUFFER_LIMIT",
    "WEBRTC_VIDEO_UPLOAD_CHUNK_SIZE",
    "WHITELISTED_DESTINATIONS_FOR_URL_INPUT",
    "WORKFLOW_RUN_RETRIES_ENABLED",
]


class InferenceSDKDeprecationWarning(Warning):
    """Something may change or go away; the name is the one programs already filter by."""


class InferenceSDKGuidanceWarning(Warning):
    """A recommendation; the name is the one programs already filter by."""


def _boolean(name: str, default: bool) -> bool:
    text = os.environ.get(name)
    if text is None:
        return default
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    raise ValueError(f"environment variable {name} must be true or false, not {text!r}")


def _integer(name: str, default: int) -> int:
    text = os.environ.get(name)
    try:
        return default if text is None else int(text)
    except ValueError:
        raise ValueError(f"environment variable {name} must be a whole number, not {text!r}") from None


def _number(name: str, default: float) -> float:
    text = os.environ.get(name)
    try:
        return default if text is None else float(text)
    except ValueError:
        raise ValueError(f"environment variable {name} must be a number, not {text!r}") from None


def _destinations(name: str) -> Optional[AbstractSet[str]]:
    text = os.environ.get(name)
    return None if text is None else set(text.split(","))


def _platform_url() -> str:
    region = os.environ.get("ROBOFLOW_REGION", "us").strip().lower()
    if region not in ("us", "eu"):
        warnings.warn(f"ROBOFLOW_REGION {region!r} is not known; using 'us' (known: eu, us)", stacklevel=3)
        region = "us"
    production = os.environ.get("ROBOFLOW_ENVIRONMENT", "prod").strip().lower() == "prod"
    if region == "us":
        return "https://api.roboflow.com" if production else "https://api.roboflow.one"
    return "https://api.roboflow.eu" if production else "https://api.roboflow-eu.one"


ALL_ROBOFLOW_API_URLS = {
    "https://detect.roboflow.com",
    "https://outline.roboflow.com",
    "https://classify.roboflow.com",
    "https://infer.roboflow.com",
    "https://serverless.roboflow.com",
    "https://serverless.roboflow.one",
    "https://serverless.roboflow.eu",
    "https://serverless.roboflow-eu.one",
    "https://asyncinfer.roboflow.com",
    "https://asyncinfer.roboflow.one",
}
"""Addresses of hosted workers; a session with one of them asks the platform for TURN servers."""

RF_API_BASE_URL: str = os.environ.get("RF_API_BASE_URL") or _platform_url()
"""The platform's API."""

WEBRTC_INITIAL_FRAME_TIMEOUT = _number("WEBRTC_INITIAL_FRAME_TIMEOUT", 90.0)
"""Longest wait for the first result, in seconds."""
WEBRTC_VIDEO_QUEUE_MAX_SIZE = _integer("WEBRTC_VIDEO_QUEUE_MAX_SIZE", 8)
"""Frames kept ready for the consumer; 0: as many as there may be, 65536."""
WEBRTC_EVENT_LOOP_SHUTDOWN_TIMEOUT = _number("WEBRTC_EVENT_LOOP_SHUTDOWN_TIMEOUT", 2.0)
"""Longest wait for the session's own threads in `close()`, in seconds."""
WEBRTC_VIDEO_UPLOAD_CHUNK_SIZE = _integer("WEBRTC_VIDEO_UPLOAD_CHUNK_SIZE", 49152)
"""Payload bytes of one upload message."""
WEBRTC_VIDEO_UPLOAD_BUFFER_LIMIT = _integer("WEBRTC_VIDEO_UPLOAD_BUFFER_LIMIT", 262144)
"""Unsent bytes above which an upload pauses."""

VIDEO_DOWNLOAD_CACHE_DIR = os.environ.get(
    "INFERENCE_SDK_VIDEO_CACHE_DIR", os.path.join(os.path.expanduser("~"), ".cache", "inference-sdk", "videos")
)
"""Where videos given by URL are kept."""
VIDEO_DOWNLOAD_TIMEOUT_SECONDS = _integer("INFERENCE_SDK_VIDEO_DOWNLOAD_TIMEOUT", 300)
"""Longest wait for one connect or read of a download, in seconds."""

ALLOW_URL_INPUT = _boolean("ALLOW_URL_INPUT", True)
ALLOW_NON_HTTPS_URL_INPUT = _boolean("ALLOW_NON_HTTPS_URL_INPUT", True)
ALLOW_URL_INPUT_WITHOUT_FQDN = _boolean("ALLOW_URL_INPUT_WITHOUT_FQDN", True)
WHITELISTED_DESTINATIONS_FOR_URL_INPUT = _destinations("WHITELISTED_DESTINATIONS_FOR_URL_INPUT")
BLACKLISTED_DESTINATIONS_FOR_URL_INPUT = _destinations("BLACKLISTED_DESTINATIONS_FOR_URL_INPUT")
# The two defaults below are the safe ones; the SDK this package replaces has the opposite of both.
VALIDATE_IMAGE_URL_REDIRECTS = _boolean("VALIDATE_IMAGE_URL_REDIRECTS", True)
ALLOW_URL_TO_NON_GLOBAL_ADDRESSES = _boolean("ALLOW_URL_TO_NON_GLOBAL_ADDRESSES", False)
MAX_IMAGE_URL_REDIRECTS = _integer("MAX_IMAGE_URL_REDIRECTS", 30)

WORKFLOW_RUN_RETRIES_ENABLED = _boolean("WORKFLOW_RUN_RETRIES_ENABLED", True)
"""Default of a field of `InferenceConfiguration`; streaming does not use it."""
INFERENCE_WARNINGS_DISABLED = _boolean("INFERENCE_WARNINGS_DISABLED", False)
"""Whether the two warning classes of this module are hidden."""

if INFERENCE_WARNINGS_DISABLED:
    warnings.simplefilter("ignore", InferenceSDKDeprecationWarning)
    warnings.simplefilter("ignore", InferenceSDKGuidanceWarning)
