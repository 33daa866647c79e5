"""The error family programs written for `inference_sdk.http.errors` catch.

Not here: errors of a running session, which are in `framewire.errors`.
"""

from typing import Optional

__all__ = [
    "APIKeyNotProvided",
    "EncodingError",
    "FeatureDeprecatedError",
    "HTTPCallErrorError",
    "HTTPClientError",
    "HTTPServerConnectionError",
    "InvalidInputFormatError",
    "InvalidModelIdentifier",
    "InvalidParameterError",
    "InvalidURLImageInput",
    "ModelNotInitializedError",
    "ModelNotSelectedError",
    "ModelTaskTypeNotSupportedError",
    "RetryError",
    "URLAddressNotAllowedError",
    "WrongClientModeError",
]


class HTTPClientError(Exception):
    """The family's common parent."""


class HTTPCallErrorError(HTTPClientError):
    """A server answered with an error status."""

    def __init__(self, description: str, status_code: int, api_message: Optional[str]) -> None:
        super().__init__(description)
        self._description = description
        self._status_code = status_code
        self._api_message = api_message

    @property
    def description(self) -> str:
        """What was tried and what came back."""
        return self._description

    @property
    def api_message(self) -> Optional[str]:
        """The server's own explanation, when it gave one."""
        return self._api_message

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        return self._status_code

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(description={self._description!r}, "
            f"api_message={self._api_message!r}, status_code={self._status_code})"
        )

    def __str__(self) -> str:
        return repr(self)


class HTTPServerConnectionError(HTTPClientError):
    """No answer came from the server."""


class InvalidInputFormatError(HTTPClientError):
    """An input has a form that cannot be used."""


class InvalidModelIdentifier(HTTPClientError):
    """The model id cannot be used."""


class ModelNotInitializedError(HTTPClientError):
    """The model is not loaded."""


class ModelTaskTypeNotSupportedError(HTTPClientError):
    """The task of the model is not supported."""


class ModelNotSelectedError(HTTPClientError):
    """No model was chosen."""


class APIKeyNotProvided(HTTPClientError):
    """An API key is needed."""


class EncodingError(HTTPClientError):
    """Something could not be encoded or decoded."""


class WrongClientModeError(HTTPClientError):
    """The call needs another mode of the client."""


class InvalidParameterError(HTTPClientError):
    """An argument cannot be used; nothing was connected."""


class FeatureDeprecatedError(HTTPClientError):
    """A helper that no longer exists was called."""

    def __init__(
        self,
        feature: str,
        *,
        reason: Optional[str] = None,
        removal_release: Optional[str] = None,
        replacement: Optional[str] = None,
    ) -> None:
        self.feature = feature
        self.reason = reason
        self.removal_release = removal_release
        self.replacement = replacement
        parts = [f"{feature!r} no longer exists"]
        if removal_release:
            parts[0] += f" since {removal_release}"
        if reason:
            parts.append(reason)
        if replacement:
            parts.append(f"use {replacement}")
        super().__init__("; ".join(parts))


class RetryError(Exception):
    """A request failed again after being repeated."""

    def __init__(
        self, description: str, status_code: Optional[int] = None, inner_error: Optional[Exception] = None
    ) -> None:
        super().__init__(description)
        self._description = description
        self._status_code = status_code
        self._inner_error = inner_error

    @property
    def description(self) -> str:
        """What was tried."""
        return self._description

    @property
    def status_code(self) -> Optional[int]:
        """The last HTTP status, when there was an answer."""
        return self._status_code

    @property
    def inner_error(self) -> Optional[Exception]:
        """The last failure, when there was no answer."""
        return self._inner_error

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(description={self._description!r}, "
            f"status_code={self._status_code!r}, inner_error={self._inner_error!r})"
        )

    def __str__(self) -> str:
        return repr(self)


class InvalidURLImageInput(HTTPClientError):
    """A URL is none that may be fetched."""


class URLAddressNotAllowedError(HTTPClientError):
    """A URL leads to an address that may not be contacted."""
