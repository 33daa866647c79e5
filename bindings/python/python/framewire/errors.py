"""Why a session failed, as exceptions. All of them are `RuntimeError`, as callers of the original expect.

Not here: the HTTP-client family (`framewire.http.errors`), and how the native part's errors become these (`_errors`).
"""

from typing import Any, Dict, List, Mapping, Optional

from framewire.http.errors import InvalidParameterError, InvalidURLImageInput, URLAddressNotAllowedError

__all__ = [
    "ConfigurationError",
    "ConnectError",
    "InvalidParameterError",
    "InvalidURLImageInput",
    "RefusedError",
    "SessionClosedError",
    "SessionError",
    "SourceError",
    "SourceMissingError",
    "StepTimeoutError",
    "URLAddressNotAllowedError",
    "WorkerError",
    "WorkerLostError",
]


class SessionError(RuntimeError):
    """A session failed.

    Attributes:
        kind: machine-readable name of the failure, such as "unreachable" or "worker_gone".
        step: the step that failed, by the name `framewire doctor` has for it ("http", "ice" …) when there is a `cause`,
            else what was under way ("receiving results"); None when no step was.
        cause: why, by the names of docs/troubleshooting.md ("port_closed", "udp_blocked" …); None when nobody knows.
        advice: what to try; also part of the message. None without a cause.
        details: what else is known (url, status, path, seconds …), never with credentials.
    """

    kind: str = "session"
    step: Optional[str] = None
    cause: Optional[str] = None
    advice: Optional[str] = None
    details: Mapping[str, Any]

    def __init__(
        self,
        message: str = "",
        *,
        kind: Optional[str] = None,
        step: Optional[str] = None,
        details: Optional[Dict[str, Any]] = None,
    ) -> None:
        RuntimeError.__init__(self, message)
        if kind is not None:
            self.kind = kind
        self.step = step
        self.details = dict(details or {})

    def __reduce__(self) -> Any:
        names = ("kind", "step", "cause", "advice", "details")
        state = {name: getattr(self, name) for name in names}
        return (type(self), (str(self),), state)


class SessionClosedError(SessionError):
    """The session was used after it had been closed."""

    kind = "closed"


class SourceError(SessionError):
    """The video cannot be used, or it broke while it was sent."""

    kind = "source"


# The operating system's class comes first: its instances are the larger ones, so it must make them.
class SourceMissingError(FileNotFoundError, SourceError):
    """There is no such file. Also a `FileNotFoundError`."""

    kind = "source_missing"

    def __init__(
        self,
        message: str = "",
        *,
        kind: Optional[str] = None,
        step: Optional[str] = None,
        details: Optional[Dict[str, Any]] = None,
    ) -> None:
        SessionError.__init__(self, message, kind=kind, step=step, details=details)

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ConnectError(SessionError):
    """No connection to the worker came about."""

    kind = "connect"


class RefusedError(ConnectError):
    """The worker refused the session."""

    kind = "http"

    @property
    def status_code(self) -> Optional[int]:
        """The HTTP status."""
        status: Optional[int] = self.details.get("status")
        return status

    @property
    def api_message(self) -> Optional[str]:
        """The worker's own explanation, when it gave one."""
        message: Optional[str] = self.details.get("message")
        return message


class StepTimeoutError(SessionError):
    """A step did not finish in time; `step` names it. No `TimeoutError`: that is kept for `wait(timeout)`."""

    kind = "timeout"


class WorkerLostError(SessionError):
    """The running connection ended: the worker's process is gone, fell silent, or closed it too early."""

    kind = "lost"


class WorkerError(SessionError):
    """The worker ended the stream and reported errors."""

    kind = "worker"

    @property
    def errors(self) -> List[str]:
        """What it reported."""
        return list(self.details.get("errors") or [])


class ConfigurationError(InvalidParameterError, RuntimeError):
    """Something of the session's description cannot be used; found when it starts. Nothing was connected."""
