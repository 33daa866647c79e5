"""A user's program, fully typed: the type checkers read it, nobody runs it.

Not here: behaviour.
"""

import asyncio
from typing import Any, Dict, List, Optional

import numpy as np
import numpy.typing as npt

from framewire import ApiKeyTransport, InferenceConfiguration, InferenceHTTPClient
from framewire.errors import SessionError, WorkerLostError
from framewire.http.errors import HTTPClientError
from framewire.webrtc import (
    Delivery,
    Gap,
    ManualSource,
    Recovery,
    SessionOptions,
    SessionState,
    StreamConfig,
    StreamError,
    StreamSource,
    VideoFileSource,
    VideoMetadata,
    WebcamSource,
    WebRTCSession,
)
from framewire.webrtc.datachannel import ChunkReassembler, VideoFileUploader, create_video_upload_chunk

Frame = npt.NDArray[np.uint8]


class Own(StreamSource):
    async def configure_peer_connection(self, pc: Any) -> None:
        pc.addTransceiver("video", direction="recvonly")

    def get_initialization_params(self, config: StreamConfig) -> Dict[str, Any]:
        return {"names": config.data_output}


def blocking() -> None:
    client = InferenceHTTPClient.init(api_url="http://localhost:9001", api_key="key")
    client.configure(InferenceConfiguration(api_key_transport=ApiKeyTransport.HEADER))
    options = SessionOptions(recovery=Recovery.reconnect(), relay_only=False, queue=4)
    config = StreamConfig(stream_output=["image"], data_output=["predictions"], declared_fps=25)
    session: WebRTCSession = client.webrtc.stream(
        VideoFileSource("in.mp4", on_upload_progress=lambda done, total: print(done / total)),
        workflow={"version": "1.0"},
        config=config,
        options=options,
    )

    @session.on_frame
    def show(frame: Frame, metadata: Optional[VideoMetadata]) -> None:
        height, width, _ = frame.shape
        print(height, width, metadata.frame_id if metadata else None)

    @session.on_data
    def everything(data: Optional[Dict[str, Any]]) -> None:
        print(data)

    @session.on_data("predictions")
    def boxes(value: Dict[str, Any], metadata: Optional[VideoMetadata]) -> None:
        print(value)

    @session.on_error
    def failed(errors: List[str]) -> None:
        print(errors)

    @session.on_gap
    def gap(event: Gap) -> None:
        print(event.missed, event.outage)

    @session.on_stream_error
    def trouble(error: StreamError) -> None:
        print(error.kind, error.reason)

    try:
        session.run()
    except WorkerLostError as error:
        print(error.kind, error.step)
    except (SessionError, HTTPClientError) as error:
        print(error)
    show(np.zeros((2, 2, 3), np.uint8), None)
    state: SessionState = session.state
    delivery: Optional[Delivery] = session.delivery
    print(state, delivery, session.stats()["frames"], session.errors())


async def asynchronous() -> None:
    source = ManualSource()
    client = InferenceHTTPClient("http://localhost:9001")
    async with client.webrtc.stream(source, model_id="some/1", task_type="object-detection") as session:
        async for frame, data in session.video():
            source.send(frame)
            print(data)
    with client.webrtc.stream(WebcamSource(0, (640, 480)), workflow="id", workspace="space") as session:
        for frame, metadata in session.video():
            print(frame.shape, metadata)
            session.pause()
            session.reconfigure(data_output=["*"])
    client.webrtc.stream(Own(), workflow={}).wait(timeout=5)


class Channel:
    readyState = "open"
    bufferedAmount = 0

    def send(self, data: bytes) -> None:
        print(len(data))


def framing() -> None:
    payload, frame = ChunkReassembler().add_chunk(b"")
    print(payload, frame, create_video_upload_chunk(0, 1, b""))
    asyncio.run(VideoFileUploader("in.mp4", Channel()).upload(lambda done, total: None))
