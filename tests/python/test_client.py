"""The client object, its configuration, the error family and the settings: as programs written for the original use them.

Not here: sessions.
"""

import copy
import os
import pickle
import subprocess
import sys
import warnings

import pytest

import framewire
from framewire import ApiKeyTransport, InferenceConfiguration, InferenceHTTPClient, _errors, errors
from framewire.config import InferenceSDKDeprecationWarning, InferenceSDKGuidanceWarning
from framewire.errors import ConfigurationError, ConnectError
from framewire.http import client as client_module
from framewire.http import errors as http_errors
from framewire.webrtc import Bitrate, ManualSource, Recovery, SessionOptions, SessionState, StreamConfig, VideoFileSource

SPEC = {"version": "1.0", "inputs": [], "steps": [], "outputs": []}


def caught(call):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        result = call()
    return result, [each.category for each in seen]


def test_init_and_constructor_are_the_same():
    for client in (InferenceHTTPClient.init("http://a:1", "k"), InferenceHTTPClient(api_url="http://a:1", api_key="k")):
        assert client.inference_configuration == InferenceConfiguration.init_default()
        assert client.webrtc is client.webrtc


def test_configure_returns_the_client_and_use_configuration_restores():
    client = InferenceHTTPClient("http://a:1")
    first = InferenceConfiguration(api_key_transport="header")
    assert client.configure(first) is client
    with client.use_configuration(InferenceConfiguration(confidence_threshold=0.4)) as same:
        assert same is client
        assert client.inference_configuration.confidence_threshold == 0.4
    assert client.inference_configuration is first


def test_the_recommendation_about_the_key_comes_once_in_a_process(monkeypatch):
    monkeypatch.setattr(client_module, "_guidance_given", False)
    _, first = caught(lambda: InferenceHTTPClient("http://a:1").webrtc)
    _, second = caught(lambda: InferenceHTTPClient("http://a:1").webrtc)
    assert first == [InferenceSDKGuidanceWarning, InferenceSDKDeprecationWarning]
    assert second == [InferenceSDKDeprecationWarning]


def test_a_chosen_transport_is_not_commented(monkeypatch):
    monkeypatch.setattr(client_module, "_guidance_given", False)
    client = InferenceHTTPClient("http://a:1").configure(InferenceConfiguration(api_key_transport="legacy"))
    _, seen = caught(lambda: client.webrtc)
    assert seen == [InferenceSDKDeprecationWarning]


def test_the_transport_is_fixed_at_first_use_and_a_later_change_warns_once():
    client = InferenceHTTPClient("http://a:1").configure(InferenceConfiguration(api_key_transport="both"))
    assert client.webrtc._api_key_transport == "both"
    header = InferenceConfiguration(api_key_transport=ApiKeyTransport.HEADER)
    _, seen = caught(lambda: client.configure(header))
    assert seen == [InferenceSDKGuidanceWarning]
    _, seen = caught(lambda: client.configure(header))
    assert seen == []
    assert client.webrtc._api_key_transport == "both"


def test_other_members_raise_an_attribute_error_that_names_inference_sdk():
    client = InferenceHTTPClient("http://a:1")
    for name in ("infer", "run_workflow", "client_mode"):
        with pytest.raises(AttributeError, match=f"inference_sdk.*{name}"):
            getattr(client, name)
    assert not hasattr(client, "infer")
    with pytest.raises(AttributeError, match="inference_sdk"):
        InferenceConfiguration().to_api_call_parameters
    assert copy.copy(InferenceConfiguration()) == InferenceConfiguration()


def test_an_unknown_transport_is_an_invalid_parameter():
    with pytest.raises(http_errors.InvalidParameterError, match="bearer"):
        InferenceConfiguration(api_key_transport="bearer")
    assert InferenceConfiguration(api_key_transport="both").api_key_transport is ApiKeyTransport.BOTH


def test_a_configuration_does_not_show_its_secret():
    assert "hush" not in repr(InferenceConfiguration(service_secret="hush"))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"workflow": SPEC, "model_id": "m"},
        {"workflow": SPEC, "task_type": "object-detection"},
        {"workflow": "an-id"},
        {"workflow": "an-id", "workspace": ""},
        {"workflow": 5},
        {"model_id": "m", "task_type": "vlm"},
    ],
)
def test_arguments_of_stream_that_contradict_are_invalid_parameters(arguments):
    with pytest.raises(http_errors.InvalidParameterError) as caught_error:
        InferenceHTTPClient("http://a:1").webrtc.stream(ManualSource(), **arguments)
    assert not isinstance(caught_error.value, ValueError)


def test_model_mode_fills_in_outputs_without_changing_the_given_configuration():
    config = StreamConfig(data_output=["*"])
    session = InferenceHTTPClient("http://a:1").webrtc.stream(
        VideoFileSource("a.mp4"), model_id="some/1", task_type="classification", config=config
    )
    assert session._config.stream_output == ["image"]
    assert session._config.data_output == ["*"]
    assert config == StreamConfig(data_output=["*"])
    definition = session._workflow_config["workflow_specification"]
    assert definition["steps"][0]["type"] == "roboflow_core/roboflow_classification_model@v2"
    assert definition["steps"][0]["model_id"] == "some/1"
    assert [each["name"] for each in definition["outputs"]] == ["predictions", "image"]


def test_the_lookup_of_a_task_type_fails_as_a_runtime_error_without_the_key():
    code = (
        "from framewire import InferenceHTTPClient\n"
        "from framewire.webrtc import ManualSource\n"
        "InferenceHTTPClient('http://a:1', 'very-secret').webrtc.stream(ManualSource(), model_id='a/1')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "RF_API_BASE_URL": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert result.returncode == 1
    assert "task type" in result.stderr.splitlines()[-1]
    assert "very-secret" not in result.stderr.splitlines()[-1]


def test_errors_of_the_http_family_carry_what_they_are_made_of():
    call = http_errors.HTTPCallErrorError("it failed", 404, "no such thing")
    assert (call.description, call.status_code, call.api_message) == ("it failed", 404, "no such thing")
    assert "404" in str(call)
    retry = http_errors.RetryError("again", 503, ValueError("x"))
    assert (retry.description, retry.status_code, str(retry.inner_error)) == ("again", 503, "x")
    gone = http_errors.FeatureDeprecatedError("old", reason="because", removal_release="2.0", replacement="new")
    assert (gone.feature, gone.reason, gone.removal_release, gone.replacement) == ("old", "because", "2.0", "new")
    for part in ("old", "because", "2.0", "new"):
        assert part in str(gone)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("closed", errors.SessionClosedError),
        ("source_missing", FileNotFoundError),
        ("source_missing", errors.SourceMissingError),
        ("source_empty", errors.SourceError),
        ("upload_mismatch", errors.SourceError),
        ("unreachable", errors.ConnectError),
        ("http", errors.RefusedError),
        ("timeout", errors.StepTimeoutError),
        ("worker_gone", errors.WorkerLostError),
        ("worker", errors.WorkerError),
        ("something_new", errors.SessionError),
        ("config_task_type_lookup", errors.SessionError),
    ],
)
def test_errors_of_a_session_are_runtime_errors_and_survive_pickling(kind, expected):
    fields = {"path": "p", "status": 404, "errors": ["e"]}
    error = _errors.raise_from_core(kind, "a step", "what happened", fields, "a_cause", "what to try")
    assert isinstance(error, expected)
    assert isinstance(error, RuntimeError)
    assert not isinstance(error, TimeoutError)
    assert (str(error), error.kind, error.step) == ("what happened", kind, "a step")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.kind, again.details) == (type(error), str(error), kind, error.details)
    assert (again.step, again.cause, again.advice) == ("a step", "a_cause", "what to try")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("wait_timeout", TimeoutError),
        ("config_api_url", http_errors.InvalidParameterError),
        ("url_refused", http_errors.InvalidURLImageInput),
        ("source_url_address_not_allowed", http_errors.URLAddressNotAllowedError),
        ("config_url_invalid", http_errors.InvalidURLImageInput),
    ],
)
def test_errors_outside_the_session_family_are_those_programs_catch(kind, expected):
    error = _errors.raise_from_core(kind, None, "what happened", {})
    assert isinstance(error, expected)
    assert str(error) == "what happened"


def settings(**environment):
    code = "import framewire.config as c, json; print(json.dumps([getattr(c, n) for n in %r], default=sorted))"
    names = [
        "WEBRTC_VIDEO_QUEUE_MAX_SIZE",
        "WEBRTC_EVENT_LOOP_SHUTDOWN_TIMEOUT",
        "ALLOW_URL_INPUT",
        "WHITELISTED_DESTINATIONS_FOR_URL_INPUT",
        "RF_API_BASE_URL",
    ]
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code % names],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_settings_have_defaults_and_follow_the_environment():
    assert settings().stdout == '[8, 2.0, true, null, "https://api.roboflow.com"]\n'
    changed = settings(
        WEBRTC_VIDEO_QUEUE_MAX_SIZE="3",
        WEBRTC_EVENT_LOOP_SHUTDOWN_TIMEOUT="0.5",
        ALLOW_URL_INPUT="FALSE",
        WHITELISTED_DESTINATIONS_FOR_URL_INPUT="b.com,a.com",
        ROBOFLOW_REGION="eu",
        ROBOFLOW_ENVIRONMENT="staging",
    )
    assert changed.stdout == '[3, 0.5, false, ["a.com", "b.com"], "https://api.roboflow-eu.one"]\n'


@pytest.mark.parametrize(
    "environment",
    [{"ALLOW_URL_INPUT": "yes"}, {"WEBRTC_VIDEO_QUEUE_MAX_SIZE": "many"}, {"WEBRTC_INITIAL_FRAME_TIMEOUT": "soon"}],
)
def test_a_setting_that_cannot_be_read_is_an_error_at_import_that_names_it(environment):
    result = settings(**environment)
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("ValueError") and next(iter(environment)) in last


def test_warnings_of_the_sdk_can_be_disabled_by_the_environment():
    code = "import framewire; framewire.InferenceHTTPClient('http://a:1').webrtc; print(framewire.INFERENCE_WARNINGS_DISABLED)"
    for value, lines in (("true", 0), ("false", 2)):
        result = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "INFERENCE_WARNINGS_DISABLED": value},
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert result.stdout == f"{value.title()}\n"
        assert result.stderr.count("Warning:") == lines


def test_the_version_is_that_of_the_installed_package():
    assert framewire.__version__ not in ("", "development")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("stream_output", "image"),
        ("stream_output", 5),
        ("stream_output", [1]),
        ("data_output", "*"),
        ("declared_fps", "30"),
        ("declared_fps", float("nan")),
        ("processing_timeout", 1.5),
        ("processing_timeout", -1),
        ("processing_timeout", 10**400),
        ("processing_timeout", "60"),
        ("requested_plan", 5),
        ("requested_region", ["eu"]),
        ("turn_server", {"urls": object()}),
        ("workflow_parameters", ["a"]),
        ("workflow_parameters", {"a": object()}),
    ],
)
def test_a_setting_that_cannot_be_used_is_a_configuration_error_that_names_it(field, value):
    session = InferenceHTTPClient("http://127.0.0.1:9").webrtc.stream(
        ManualSource(), workflow={}, config=StreamConfig(**{field: value})
    )
    with pytest.raises(ConfigurationError, match=field):
        session.start()
    assert session.state is SessionState.CLOSED


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("queue", -1),
        ("queue", "8"),
        ("connect_timeout", -1.0),
        ("lost_after", "15"),
        ("bitrate", Bitrate(start=-1)),
        ("recovery", Recovery(attempts=1.5)),
    ],
)
def test_an_option_that_cannot_be_used_is_a_configuration_error_that_names_it(field, value):
    session = InferenceHTTPClient("http://127.0.0.1:9").webrtc.stream(
        ManualSource(), workflow={}, options=SessionOptions(**{field: value})
    )
    with pytest.raises(ConfigurationError, match=field):
        session.start()


def test_whole_floats_and_no_list_of_outputs_are_accepted():
    config = StreamConfig(stream_output=None, data_output=None, processing_timeout=60.0, declared_fps=30, workflow_parameters=None)
    session = InferenceHTTPClient("http://127.0.0.1:9").webrtc.stream(ManualSource(), workflow={}, config=config)
    with pytest.raises(ConnectError):
        session.start()


def test_outputs_are_checked_when_they_are_changed_too():
    session = InferenceHTTPClient("http://127.0.0.1:9").webrtc.stream(ManualSource(), workflow={})
    with pytest.raises(ConfigurationError, match="stream_output"):
        session.reconfigure(stream_output="image")
    session.reconfigure(data_output=("a", "b"))
    assert session._outputs == {"stream_output": None, "data_output": ["a", "b"]}
    session.close()
