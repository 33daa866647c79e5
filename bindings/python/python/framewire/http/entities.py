"""What configures the client object: `InferenceConfiguration` and its enumerations.

Not here: requests. Streaming reads nothing of the configuration but `api_key_transport`.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, List, Optional, Union

from framewire.config import ALL_ROBOFLOW_API_URLS, WORKFLOW_RUN_RETRIES_ENABLED
from framewire.http.errors import InvalidParameterError

__all__ = [
    "ALL_ROBOFLOW_API_URLS",
    "ApiKeyTransport",
    "DEFAULT_IMAGE_EXTENSIONS",
    "DEFAULT_MAX_INPUT_SIZE",
    "HTTPClientMode",
    "InferenceConfiguration",
    "VisualisationResponseFormat",
]

DEFAULT_IMAGE_EXTENSIONS = ["jpg", "jpeg", "JPG", "JPEG", "png", "PNG"]
DEFAULT_MAX_INPUT_SIZE = 1024


class HTTPClientMode(str, Enum):
    """Versions of the HTTP API."""

    V0 = "v0"
    V1 = "v1"


class ApiKeyTransport(str, Enum):
    """How the API key reaches the worker."""

    LEGACY = "legacy"
    """As a field of the request body."""
    BOTH = "both"
    """As a field of the request body and as `Authorization: Bearer` header."""
    HEADER = "header"
    """As `Authorization: Bearer` header only; the worker must know it."""


class VisualisationResponseFormat(str, Enum):
    """Forms of a returned picture."""

    BASE64 = "base64"
    NUMPY = "numpy"
    PILLOW = "pillow"


@dataclass(frozen=True)
class InferenceConfiguration:
    """Configuration of `InferenceHTTPClient`, with every field of the SDK this package replaces.

    Streaming reads `api_key_transport` alone; the other fields are kept so that existing programs construct it unchanged.

    Raises:
        InvalidParameterError: `api_key_transport` is none of "legacy", "both", "header".
    """

    confidence_threshold: Optional[Union[float, str]] = None
    keypoint_confidence_threshold: Optional[float] = None
    format: Optional[str] = None
    mask_decode_mode: Optional[str] = None
    tradeoff_factor: Optional[float] = None
    max_candidates: Optional[int] = None
    max_detections: Optional[int] = None
    iou_threshold: Optional[float] = None
    stroke_width: Optional[int] = None
    count_inference: Optional[bool] = None
    service_secret: Optional[str] = field(default=None, repr=False)
    disable_preproc_auto_orientation: Optional[bool] = None
    disable_preproc_contrast: Optional[bool] = None
    disable_preproc_grayscale: Optional[bool] = None
    disable_preproc_static_crop: Optional[bool] = None
    class_agnostic_nms: Optional[bool] = None
    class_filter: Optional[List[str]] = None
    fix_batch_size: Optional[bool] = None
    include_anomaly_map: Optional[bool] = None
    visualize_predictions: bool = False
    visualize_labels: Optional[bool] = None
    output_visualisation_format: VisualisationResponseFormat = VisualisationResponseFormat.BASE64
    image_extensions_for_directory_scan: Optional[List[str]] = field(
        default_factory=lambda: list(DEFAULT_IMAGE_EXTENSIONS)
    )
    client_downsizing_disabled: bool = True
    default_max_input_size: int = DEFAULT_MAX_INPUT_SIZE
    disable_active_learning: bool = False
    active_learning_target_dataset: Optional[str] = None
    max_concurrent_requests: int = 1
    max_batch_size: int = 1
    source: Optional[str] = None
    source_info: Optional[str] = None
    profiling_directory: str = "./inference_profiling"
    workflow_run_retries_enabled: bool = WORKFLOW_RUN_RETRIES_ENABLED
    response_mask_format: Optional[str] = None
    api_key_transport: Optional[Union[str, ApiKeyTransport]] = None
    """None: "legacy", with a recommendation once per process to choose."""
    allow_reduced_mask_resolution: bool = False

    def __post_init__(self) -> None:
        if self.api_key_transport is None:
            return
        try:
            transport = ApiKeyTransport(self.api_key_transport)
        except ValueError:
            known = ", ".join(repr(each.value) for each in ApiKeyTransport)
            raise InvalidParameterError(
                f"api_key_transport {self.api_key_transport!r} is not known; give one of {known}"
            ) from None
        object.__setattr__(self, "api_key_transport", transport)

    @classmethod
    def init_default(cls) -> "InferenceConfiguration":
        """The configuration a new client has."""
        return cls()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("to_"):
            raise AttributeError(
                f"InferenceConfiguration.{name} builds requests of the HTTP API, which framewire does not make; "
                "keep inference_sdk for those"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
