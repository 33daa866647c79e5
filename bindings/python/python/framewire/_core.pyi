"""The native half of framewire; private. Checked against the built module by the tests."""

from typing import Any, Callable, Dict, List, Optional, Tuple, final

import numpy as np
import numpy.typing as npt

VERSION: str

Picture = npt.NDArray[np.uint8]
# frame_id, received_at (ISO 8601), pts, time_base, declared_fps, measured_fps, errors
Metadata = Tuple[int, str, Optional[int], Optional[float], Optional[float], Optional[float], List[str]]
# frame (BGR, height x width x 3, writable), metadata, data (JSON), pairing, age in seconds,
# pts (1/90000 s for frames of a track)
Item = Tuple[Optional[Picture], Optional[Metadata], Optional[bytes], str, Optional[float], Optional[int]]
# kind, reason, frame_id, message
StreamError = Tuple[str, Optional[str], Optional[int], str]

@final
class Options:
    def __new__(
        cls,
        *,
        frame_queue: Optional[int] = None,
        relay_only: Optional[bool] = None,
        recovery: Optional[Tuple[bool, int, float, float, float]] = None,
        max_frame_age: Optional[float] = None,
        bitrate: Optional[Tuple[int, int, int]] = None,
        shutdown_timeout: Optional[float] = None,
        initial_frame_timeout: Optional[float] = None,
        connect_timeout: Optional[float] = None,
        lost_after: Optional[float] = None,
        signalling_timeout: Optional[float] = None,
        reach_timeout: Optional[float] = None,
    ) -> "Options": ...

@final
class Source:
    @staticmethod
    def file(
        path: str,
        use_datachannel_frames: bool,
        realtime_processing: bool,
        use_cache: bool,
        on_upload_progress: Optional[Callable[[int, int], Any]] = None,
        on_download_progress: Optional[Callable[[int, Optional[int]], Any]] = None,
    ) -> "Source": ...
    @staticmethod
    def webcam(device: str, resolution: Optional[Tuple[int, int]]) -> "Source": ...
    @staticmethod
    def local_stream(url: str) -> "Source": ...
    @staticmethod
    def rtsp(url: str) -> "Source": ...
    @staticmethod
    def mjpeg(url: str) -> "Source": ...
    @staticmethod
    def manual() -> Tuple["Source", "Sender"]: ...
    @staticmethod
    def custom(sends: bool, receives: bool) -> Tuple["Source", Optional["Sender"]]: ...

@final
class Sender:
    def send(self, frame: Picture) -> None: ...
    def close(self) -> None: ...

@final
class Result:
    def visible(self) -> Optional[bytes]: ...
    def names(self) -> List[str]: ...
    def value(self, name: str) -> Optional[bytes]: ...
    @property
    def metadata(self) -> Optional[Metadata]: ...

@final
class Session:
    def __new__(
        cls,
        *,
        api_url: str,
        source: Source,
        workflow_configuration: str,
        api_key: Optional[str] = None,
        api_key_transport: str = "legacy",
        image_input: str = "image",
        stream_output: List[str] = ...,
        data_output: List[str] = ...,
        realtime_processing: bool = True,
        declared_fps: Optional[float] = None,
        turn_server: Optional[str] = None,
        workflow_parameters: Optional[str] = None,
        requested_plan: Optional[str] = None,
        requested_region: Optional[str] = None,
        processing_timeout: Optional[int] = None,
        predictions_output: Optional[str] = None,
        fresh_results: Optional[float] = None,
        request_overrides: Optional[str] = None,
        options: Optional[Options] = None,
    ) -> "Session": ...
    @property
    def state(self) -> str: ...
    def start(self, timeout: Optional[float] = None) -> bool: ...
    def cursor(self, pictures: bool = True) -> "Cursor": ...
    def close(self) -> None: ...
    def set_callbacks(
        self,
        *,
        on_result: Optional[Callable[[Result], Any]] = ...,
        on_errors: Optional[Callable[[List[str], Optional[Metadata]], Any]] = ...,
        on_gap: Optional[Callable[[Dict[str, Any]], Any]] = ...,
        on_stream_error: Optional[Callable[[StreamError], Any]] = ...,
    ) -> None: ...
    def reconfigure(
        self, stream_output: Optional[List[str]] = None, data_output: Optional[List[str]] = None
    ) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    @property
    def paused(self) -> bool: ...
    def errors(self) -> List[StreamError]: ...
    @property
    def delivery(self) -> Tuple[str, Optional[float]]: ...
    def note_handler_error(self, text: str) -> None: ...
    def stats(self) -> str: ...

@final
class Cursor:
    def next(self, timeout: Optional[float] = None) -> Optional[Item]: ...
    # NotImplemented when there is nothing yet.
    def poll(self) -> Optional[Item]: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...

@final
class ChunkReassembler:
    def __new__(cls) -> "ChunkReassembler": ...
    def add_chunk(self, message: bytes) -> Tuple[Optional[bytes], Optional[int]]: ...

@final
class Worker:
    def __new__(
        cls,
        # Called once for each session, on its own thread; returns its call(frame, fields).
        make: Callable[[], Callable[[Picture, Tuple[Any, ...]], Dict[str, Any]]],
        *,
        host: str,
        port: int,
        media_port: int = 0,
        public_ips: List[str] = ...,
        max_sessions: Optional[int] = None,
        api_keys: List[str] = ...,
        insecure: bool = False,
    ) -> "Worker": ...
    @property
    def url(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def media_port(self) -> int: ...
    def stop(self, timeout: float = 0.0) -> bool: ...

def wait_for_processors() -> None: ...
def model_workflow(model_id: str, task_type: str) -> str: ...
def task_types() -> List[str]: ...
def find_task_type(api_key: Optional[str], model_id: str) -> str: ...
def main(argv: List[str]) -> int: ...
def start_logging(refresh: bool = True) -> None: ...
def flush_logs() -> None: ...
def shutdown() -> None: ...
