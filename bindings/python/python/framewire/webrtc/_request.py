"""From what a session is to be to a native one: every argument is checked, and an error names its field.

Not here: when that happens, and what a user's own source changes of it (`_native`).
"""

import json
import math
import numbers
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional

from framewire import _core, config
from framewire.errors import ConfigurationError

if TYPE_CHECKING:
    from framewire.webrtc.config import SessionOptions, StreamConfig

__all__ = ["names", "native_session"]

_WRONG = (TypeError, ValueError, OverflowError)
# The bytes of waiting frames are bounded besides.
_LONGEST_QUEUE = 65_536
_OPTIONS = {"frame_queue": "queue"}
"""Options whose native name differs from the public one."""


def native_session(
    *,
    api_url: str,
    api_key: Optional[str],
    api_key_transport: str,
    source: "_core.Source",
    workflow: Any,
    image_input: str,
    settings: "StreamConfig",
    outputs: Mapping[str, Optional[List[str]]],
    extra: Mapping[str, Any],
    predictions_output: Optional[str],
    options: "SessionOptions",
) -> "_core.Session":
    """The native session; connects nothing. `outputs` win over those of `settings`, `extra` over the whole request.

    Raises:
        ConfigurationError: a value cannot be used; says which.
    """
    chosen = {
        name: names(getattr(settings, name), name) if wanted is None else wanted for name, wanted in outputs.items()
    }
    arguments: Dict[str, Any] = {
        "api_url": api_url,
        "api_key": _text(api_key, "api_key"),
        "api_key_transport": api_key_transport,
        "source": source,
        "workflow_configuration": _json(workflow, "the workflow"),
        "image_input": _text(image_input, "image_input"),
        **chosen,
        "realtime_processing": bool(settings.realtime_processing),
        "declared_fps": _number(settings.declared_fps, "declared_fps"),
        "turn_server": _json(settings.turn_server, "turn_server") if settings.turn_server else None,
        "workflow_parameters": _json(_mapping(settings.workflow_parameters, "workflow_parameters"), "workflow_parameters"),
        "requested_plan": _text(settings.requested_plan, "requested_plan"),
        "requested_region": _text(settings.requested_region, "requested_region"),
        "processing_timeout": _whole(settings.processing_timeout, "processing_timeout"),
        "fresh_results": _number(options.fresh_results, "fresh_results"),
        "predictions_output": _text(predictions_output, "predictions_output"),
        "request_overrides": _json(extra, "get_initialization_params()") if extra else None,
        "options": _options(options),
    }
    try:
        return _core.Session(**arguments)
    except _WRONG as error:
        raise ConfigurationError(str(error)) from None


def names(value: Any, field: str) -> List[str]:
    """A list of outputs; none for None.

    Raises:
        ConfigurationError: it is something else, such as one name alone.
    """
    if value is None:
        return []
    found = None if isinstance(value, (str, bytes)) else _listed(value)
    if found is None or not all(isinstance(name, str) for name in found):
        raise _wrong(field, "a list of names", value)
    return found


def _listed(value: Any) -> Optional[List[Any]]:
    try:
        return list(value)
    except TypeError:
        return None


def _options(options: "SessionOptions") -> "_core.Options":
    arguments = {
        "frame_queue": config.WEBRTC_VIDEO_QUEUE_MAX_SIZE or _LONGEST_QUEUE,
        "shutdown_timeout": config.WEBRTC_EVENT_LOOP_SHUTDOWN_TIMEOUT,
        "initial_frame_timeout": config.WEBRTC_INITIAL_FRAME_TIMEOUT,
        **options._arguments(),
    }
    try:
        return _core.Options(**arguments)
    except _WRONG as error:
        for name, value in arguments.items():
            try:
                _core.Options(**{name: value})
            except _WRONG as reason:
                raise ConfigurationError(f"{_OPTIONS.get(name, name)} of SessionOptions: {reason}") from None
        raise ConfigurationError(f"SessionOptions: {error}") from None


def _text(value: Any, field: str) -> Optional[str]:
    if value is None or isinstance(value, str):
        return value
    raise _wrong(field, "a str", value)


def _mapping(value: Any, field: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise _wrong(field, "a dict", value)


def _number(value: Any, field: str) -> Optional[float]:
    if value is None:
        return None
    if _finite(value):
        return float(value)
    raise _wrong(field, "a number", value)


def _whole(value: Any, field: str) -> Optional[int]:
    if value is None:
        return None
    if _finite(value) and value == int(value) and 0 <= value < 2**64:
        return int(value)
    raise _wrong(field, "a whole number, 0 or more", value)


def _finite(value: Any) -> bool:
    try:
        return isinstance(value, numbers.Real) and math.isfinite(value)
    except OverflowError:
        return False


def _wrong(field: str, expected: str, value: Any) -> ConfigurationError:
    return ConfigurationError(f"{field} must be {expected}, not {value if _finite(value) else type(value).__name__}")


def _json(value: Any, what: str) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{what} cannot be expressed in JSON: {error}") from None
