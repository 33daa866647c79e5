"""`client.webrtc`: describes streams. Nothing is connected here; the session does that when it is first used.

Not here: the session itself.
"""

import dataclasses
import json
import warnings
from typing import Any, Dict, Optional, Union

from framewire import _core
from framewire.config import InferenceSDKDeprecationWarning
from framewire.http.errors import InvalidParameterError
from framewire.webrtc.config import SessionOptions, StreamConfig
from framewire.webrtc.session import WebRTCSession
from framewire.webrtc.sources import StreamSource

__all__ = ["WebRTCClient"]

_PREDICTIONS = "predictions"
_PICTURE = "image"


class WebRTCClient:
    """Streams of one worker. Usually reached as `InferenceHTTPClient.webrtc`.

    Args:
        api_url: address of the worker.
        api_key: may be absent.
        api_key_transport: "legacy" (a field of the request), "both", or "header" (`Authorization: Bearer` alone).
    """

    def __init__(self, api_url: str, api_key: Optional[str], api_key_transport: str = "legacy") -> None:
        warnings.warn(
            "the streaming interface is experimental in the SDK whose names it has, and may change with it",
            InferenceSDKDeprecationWarning,
            stacklevel=2,
        )
        self._api_url = api_url
        self._api_key = api_key
        self._api_key_transport = api_key_transport

    def stream(
        self,
        source: StreamSource,
        *,
        workflow: Optional[Union[str, Dict[str, Any]]] = None,
        model_id: Optional[str] = None,
        task_type: Optional[str] = None,
        image_input: str = "image",
        workspace: Optional[str] = None,
        config: Optional[StreamConfig] = None,
        options: Optional[SessionOptions] = None,
    ) -> WebRTCSession:
        """Describes a stream; connects nothing. Give either `workflow` or `model_id`.

        Args:
            source: where the frames come from.
            workflow: id of a workflow (then with `workspace`), or its definition.
            model_id: a single model; handlers then get `(frame, predictions)`, predictions as the worker sent them or None.
            task_type: of `model_id`; without it the platform is asked (one HTTP request, at most 10 s).
            image_input: name of the workflow's input for frames.
            workspace: of a workflow given by id.
            config: what comes back; defaults to `StreamConfig()`. Not changed by this call.
            options: limits and deadlines (not in the original).

        Raises:
            InvalidParameterError: the arguments contradict each other, or the task type cannot be streamed.
            RuntimeError: the platform did not tell the task type.
        """
        if (workflow is None) == (model_id is None):
            raise InvalidParameterError("give either workflow or model_id, and not both")
        if model_id is None and task_type is not None:
            raise InvalidParameterError("task_type belongs to model_id; a workflow has none")
        if config is None:
            config = StreamConfig()
        workflow_config: Dict[str, Any]
        if model_id is not None:
            workflow_config = {"workflow_specification": _model_workflow(model_id, task_type, self._api_key)}
            config = dataclasses.replace(
                config,
                stream_output=config.stream_output or [_PICTURE],
                data_output=config.data_output or [_PREDICTIONS],
            )
        elif isinstance(workflow, str):
            if not workspace:
                raise InvalidParameterError("a workflow given by id needs workspace, the name of its workspace")
            workflow_config = {"workflow_id": workflow, "workspace_name": workspace}
        elif isinstance(workflow, dict):
            workflow_config = {"workflow_specification": workflow}
        else:
            raise InvalidParameterError(f"workflow must be an id (str) or a definition (dict), not {type(workflow).__name__}")
        return WebRTCSession(
            api_url=self._api_url,
            api_key=self._api_key,
            source=source,
            image_input_name=image_input,
            workflow_config=workflow_config,
            stream_config=config,
            model_mode=model_id is not None,
            predictions_output=_PREDICTIONS,
            api_key_transport=self._api_key_transport,
            options=options,
        )


def _model_workflow(model_id: str, task_type: Optional[str], api_key: Optional[str]) -> Dict[str, Any]:
    if task_type is None:
        task_type = _core.find_task_type(api_key, model_id)
    if task_type not in _core.task_types():
        known = ", ".join(sorted(_core.task_types()))
        raise InvalidParameterError(
            f"task type {task_type!r} of model {model_id!r} cannot be streamed by its id; supported: {known}. "
            "Give a workflow that contains the model instead"
        )
    definition: Dict[str, Any] = json.loads(_core.model_workflow(model_id, task_type))
    return definition
