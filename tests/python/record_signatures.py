"""Writes signatures.json: names, arguments, defaults and bases of what this package has in common with inference_sdk.

Run it with an interpreter that has inference_sdk: `python record_signatures.py > signatures.json`. Not here: comparing.
"""

import dataclasses
import enum
import importlib
import inspect
import json
import sys
import typing

# What framewire has of each module; None stands for everything the module itself defines and does not hide.
MODULES = {
    "": ["ApiKeyTransport", "InferenceConfiguration", "InferenceHTTPClient", "VisualisationResponseFormat", "INFERENCE_WARNINGS_DISABLED"],
    "config": [
        "ALLOW_NON_HTTPS_URL_INPUT",
        "ALLOW_URL_INPUT",
        "ALLOW_URL_INPUT_WITHOUT_FQDN",
        "ALLOW_URL_TO_NON_GLOBAL_ADDRESSES",
        "ALL_ROBOFLOW_API_URLS",
        "BLACKLISTED_DESTINATIONS_FOR_URL_INPUT",
        "InferenceSDKDeprecationWarning",
        "InferenceSDKGuidanceWarning",
        "MAX_IMAGE_URL_REDIRECTS",
        "RF_API_BASE_URL",
        "VALIDATE_IMAGE_URL_REDIRECTS",
        "WEBRTC_EVENT_LOOP_SHUTDOWN_TIMEOUT",
        "WEBRTC_INITIAL_FRAME_TIMEOUT",
        "WEBRTC_VIDEO_QUEUE_MAX_SIZE",
        "WEBRTC_VIDEO_UPLOAD_BUFFER_LIMIT",
        "WEBRTC_VIDEO_UPLOAD_CHUNK_SIZE",
        "WHITELISTED_DESTINATIONS_FOR_URL_INPUT",
        "WORKFLOW_RUN_RETRIES_ENABLED",
    ],
    "http.client": ["InferenceHTTPClient"],
    "http.entities": ["ApiKeyTransport", "HTTPClientMode", "InferenceConfiguration", "VisualisationResponseFormat"],
    "http.errors": None,
    "webrtc": [
        "WebRTCClient",
        "WebRTCSession",
        "StreamConfig",
        "VideoMetadata",
        "StreamSource",
        "WebcamSource",
        "LocalStreamSource",
        "RTSPSource",
        "MJPEGSource",
        "VideoFileSource",
        "ManualSource",
        "UploadProgressCallback",
    ],
    "webrtc.client": ["WebRTCClient"],
    "webrtc.config": None,
    "webrtc.datachannel": None,
    "webrtc.session": ["SessionState", "VideoMetadata", "WebRTCSession"],
    "webrtc.sources": [
        "StreamSource",
        "WebcamSource",
        "LocalStreamSource",
        "RTSPSource",
        "MJPEGSource",
        "VideoFileSource",
        "ManualSource",
        "UploadProgressCallback",
    ],
}
# Members of a class that framewire has; everything public where a class is not named.
MEMBERS = {
    "InferenceHTTPClient": ["__init__", "init", "inference_configuration", "webrtc", "configure", "use_configuration"],
    "InferenceConfiguration": ["init_default"],
    # Its upload is native; start_upload was how the original's session reached it.
    "VideoFileSource": ["__init__", "configure_peer_connection", "get_initialization_params", "cleanup"],
}
DUNDERS = {"__init__", "__enter__", "__exit__", "__del__"}


def value(thing):
    """A default as JSON."""
    if isinstance(thing, enum.Enum):
        return {"enum": [type(thing).__name__, thing.name]}
    if isinstance(thing, (set, frozenset)):
        return {"set": sorted(thing)}
    if thing is None or isinstance(thing, (bool, int, float, str)):
        return thing
    if isinstance(thing, (list, tuple, dict)):
        return {"literal": repr(thing)}
    raise TypeError(f"no form for {thing!r}")


def signature(function):
    parameters = []
    for each in inspect.signature(function).parameters.values():
        entry = {"name": each.name, "kind": each.kind.name}
        if each.default is not each.empty:
            entry["default"] = value(each.default)
        parameters.append(entry)
    return {"parameters": parameters, "async": inspect.iscoroutinefunction(function)}


def field(each):
    if each.default is not dataclasses.MISSING:
        return {"default": value(each.default)}
    if each.default_factory is not dataclasses.MISSING:
        return {"default": value(each.default_factory())}
    return {}


def describe_class(kind):
    entry = {"kind": "class", "bases": [base.__name__ for base in kind.__mro__[1:] if base.__module__ == "builtins" or base.__module__ == kind.__module__]}
    if issubclass(kind, enum.Enum):
        entry["enum"] = {each.name: each.value for each in kind}
        return entry
    if dataclasses.is_dataclass(kind):
        entry["fields"] = {each.name: field(each) for each in dataclasses.fields(kind)}
        entry["frozen"] = kind.__dataclass_params__.frozen
    members = {}
    wanted = MEMBERS.get(kind.__name__)
    for name in dir(kind):
        public = not name.startswith("_") or name in DUNDERS
        if (name not in wanted) if wanted is not None else not public:
            continue
        raw = inspect.getattr_static(kind, name)
        if dataclasses.is_dataclass(kind) and (name == "__init__" or name in entry["fields"]):
            continue
        if isinstance(raw, property):
            members[name] = {"property": True}
        elif isinstance(raw, (staticmethod, classmethod)) or inspect.isfunction(raw):
            function = inspect.unwrap(raw.__func__ if isinstance(raw, (staticmethod, classmethod)) else raw)
            members[name] = signature(function)
            members[name]["binding"] = type(raw).__name__
        elif name not in DUNDERS and not name.startswith("_") and not issubclass(kind, BaseException):
            members[name] = {"value": value(raw)}
    entry["members"] = members
    return entry


def describe(thing):
    if inspect.isclass(thing):
        return describe_class(thing)
    if inspect.isfunction(thing):
        return {"kind": "function", **signature(thing)}
    if typing.get_origin(thing) is not None:
        return {"kind": "alias", "arguments": len(typing.get_args(thing)[0])}
    return {"kind": "constant", "value": value(thing)}


def record(package):
    """Everything of `package` that MODULES names."""
    found = {}
    for module_name, names in MODULES.items():
        module = importlib.import_module(f"{package}.{module_name}".rstrip("."))
        if names is None:
            names = [
                name
                for name, thing in vars(module).items()
                if not name.startswith("_")
                and (inspect.isclass(thing) or inspect.isfunction(thing))
                and thing.__module__ == module.__name__
            ]
        for name in names:
            found[f"{module_name}:{name}"] = describe(getattr(module, name))
    # `video` is an object of the original's sessions that is called like a method.
    found["webrtc.session:WebRTCSession"]["members"]["video"] = {"parameters": [{"name": "self", "kind": "POSITIONAL_OR_KEYWORD"}], "async": False, "binding": "function"}
    found["webrtc:WebRTCSession"]["members"]["video"] = found["webrtc.session:WebRTCSession"]["members"]["video"]
    return found


if __name__ == "__main__":
    # One line an entry: readable, and a change shows as the line it is.
    entries = sorted(record("inference_sdk").items())
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries)
    sys.stdout.write(f"{{\n{lines}\n}}\n")
