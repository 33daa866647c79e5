"""Turns an error of the native part into the exception a caller sees.

Not here: the exception classes, which are in `framewire.errors` and `framewire.http.errors`.
"""

from typing import Any, Dict, Optional, Type

from framewire.errors import (
    ConfigurationError,
    ConnectError,
    RefusedError,
    SessionClosedError,
    SessionError,
    SourceError,
    SourceMissingError,
    StepTimeoutError,
    WorkerError,
    WorkerLostError,
)
from framewire.http.errors import HTTPClientError, InvalidURLImageInput, URLAddressNotAllowedError

__all__ = ["raise_from_core"]

_SESSION: Dict[str, Type[SessionError]] = {
    "closed": SessionClosedError,
    "gathering": ConnectError,
    "unreachable": ConnectError,
    "silent": ConnectError,
    "signalling": ConnectError,
    "bad_answer": ConnectError,
    "connect": ConnectError,
    "http": RefusedError,
    "timeout": StepTimeoutError,
    "worker_gone": WorkerLostError,
    "lost": WorkerLostError,
    "peer_closed": WorkerLostError,
    "transport": WorkerLostError,
    "worker": WorkerError,
    "upload_mismatch": SourceError,
    "source_missing": SourceMissingError,
    # The lookup is a request to the platform: its failure says nothing about the arguments.
    "config_task_type_lookup": SessionError,
}

_URL_POLICY: Dict[str, Type[HTTPClientError]] = {
    "url_invalid": InvalidURLImageInput,
    "url_refused": InvalidURLImageInput,
    "url_too_many_redirects": InvalidURLImageInput,
    "url_address_not_allowed": URLAddressNotAllowedError,
}


def raise_from_core(
    kind: str,
    step: Optional[str],
    message: str,
    fields: Dict[str, Any],
    cause: Optional[str] = None,
    advice: Optional[str] = None,
) -> BaseException:
    """The exception for one error of the native part; returned, not raised.

    An unknown `kind` gives a `SessionError`: a newer native part never makes this fail.
    """
    if kind in ("wait_timeout", "wait_timed_out"):
        return TimeoutError(message)
    for prefix in ("config_", "source_", ""):
        policy = _URL_POLICY.get(kind[len(prefix) :]) if kind.startswith(prefix) else None
        if policy is not None:
            return policy(message)
    chosen = _SESSION.get(kind)
    if chosen is None and kind.startswith("config_"):
        return ConfigurationError(message)
    if chosen is None:
        chosen = SourceError if kind.startswith("source_") else SessionError
    error = chosen(message, kind=kind, step=step, details=fields)
    error.cause, error.advice = cause, advice
    if isinstance(error, FileNotFoundError):
        error.filename = fields.get("path")
    return error
