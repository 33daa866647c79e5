"""What sources accept, what they ask the worker for, and how a user's own source is configured.

Not here: frames on their way.
"""

import asyncio

import pytest

from framewire.http.errors import InvalidParameterError
from framewire.webrtc import (
    LocalStreamSource,
    ManualSource,
    MJPEGSource,
    RTSPSource,
    StreamConfig,
    StreamSource,
    VideoFileSource,
    WebcamSource,
)
from framewire.webrtc._native import is_plain, overrides
from framewire.webrtc._peer import PeerConnection


class Track:
    kind = "video"

    async def recv(self):
        raise AssertionError("not asked for in these tests")


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        (RTSPSource, "rtsp://c/s"),
        (RTSPSource, "RTSPS://c/s"),
        (MJPEGSource, "Http://c/s"),
        (MJPEGSource, "https://c/s"),
        (LocalStreamSource, "rtmp://c/s"),
        (LocalStreamSource, "RTMPS://user:pass@c/s"),
        (LocalStreamSource, "rtsp://c/s"),
        (LocalStreamSource, "rtsps://c/s"),
    ],
)
def test_schemes_are_accepted_in_any_case(kind, url):
    assert kind(url).url == url


@pytest.mark.parametrize("kind", [RTSPSource, MJPEGSource, LocalStreamSource])
@pytest.mark.parametrize("url", ["ftp://user:hush@c/s", "c/s", "", None])
def test_another_scheme_is_an_invalid_parameter_that_hides_the_url(kind, url):
    with pytest.raises(InvalidParameterError) as caught:
        kind(url)
    assert "hush" not in str(caught.value)


def test_attributes_are_those_of_the_original(tmp_path):
    webcam = WebcamSource(2, (640, 480))
    assert (webcam.device_id, webcam.resolution) == (2, (640, 480))
    assert (WebcamSource().device_id, WebcamSource().resolution) == (0, None)
    assert LocalStreamSource.SUPPORTED_SCHEMES == ("rtsp://", "rtsps://", "rtmp://", "rtmps://")
    file = VideoFileSource(tmp_path / "a.mp4", print)
    assert file.path == str(tmp_path / "a.mp4")
    assert (file.on_upload_progress, file.use_datachannel_frames, file.realtime_processing, file.use_cache) == (print, True, False, True)


@pytest.mark.parametrize(
    ("source", "config", "expected"),
    [
        (WebcamSource(), StreamConfig(), {}),
        (LocalStreamSource("rtsp://c"), StreamConfig(), {}),
        (RTSPSource("rtsp://c"), StreamConfig(), {"rtsp_url": "rtsp://c"}),
        (MJPEGSource("http://c"), StreamConfig(), {"mjpeg_url": "http://c"}),
        (ManualSource(), StreamConfig(), {"manual_mode": True}),
        (
            VideoFileSource("a", use_datachannel_frames=False, realtime_processing=True),
            StreamConfig(stream_output=["image"]),
            {"webrtc_realtime_processing": True, "video_file_upload": True},
        ),
        (
            VideoFileSource("a"),
            StreamConfig(stream_output=["image", "", "a"], data_output=["a", "b"]),
            {"webrtc_realtime_processing": False, "video_file_upload": True, "stream_output": [], "data_output": ["a", "b", "image"]},
        ),
    ],
)
def test_the_fields_of_the_request_are_the_documented_ones(source, config, expected):
    assert source.get_initialization_params(config) == expected
    assert is_plain(source)
    assert overrides(source, source, config) == {}


def test_only_what_a_subclass_changes_is_sent_on_top():
    class Mine(VideoFileSource):
        def get_initialization_params(self, config):
            return {**super().get_initialization_params(config), "data_output": ["x"], "extra": 1}

    mine = Mine("a")
    assert is_plain(mine)
    assert overrides(mine, mine, StreamConfig()) == {"data_output": ["x"], "extra": 1}


def test_a_source_with_coroutines_of_its_own_is_not_plain():
    class Cleans(ManualSource):
        async def cleanup(self):
            return None

    class Configures(VideoFileSource):
        async def configure_peer_connection(self, pc):
            await super().configure_peer_connection(pc)

    assert not is_plain(Cleans())
    assert not is_plain(Configures("a"))


def test_the_abstract_source_cannot_be_made_and_its_cleanup_does_nothing():
    with pytest.raises(TypeError):
        StreamSource()

    class Least(StreamSource):
        async def configure_peer_connection(self, pc):
            return None

        def get_initialization_params(self, config):
            return {}

    assert asyncio.run(Least().cleanup()) is None
    assert not is_plain(Least())


def test_the_connection_takes_one_track_or_one_transceiver():
    pc = PeerConnection()
    track = Track()
    pc.addTrack(track)
    assert (pc._track, pc._receives) == (track, True)
    with pytest.raises(ValueError):
        pc.addTransceiver("video", direction="recvonly")

    pc = PeerConnection()
    pc.addTransceiver("video", direction="recvonly")
    assert (pc._track, pc._receives) == (None, True)
    pc = PeerConnection()
    pc.addTransceiver(track, "sendonly")
    assert (pc._track, pc._receives) == (track, False)


@pytest.mark.parametrize(
    "ask",
    [
        lambda pc: pc.addTransceiver("audio"),
        lambda pc: pc.addTransceiver("video", direction="both"),
        lambda pc: pc.addTrack(object()),
        lambda pc: pc.addTrack(type("Audio", (Track,), {"kind": "audio"})()),
    ],
)
def test_what_cannot_be_streamed_is_a_value_error(ask):
    with pytest.raises(ValueError):
        ask(PeerConnection())


def test_anything_else_of_a_peer_connection_is_an_error_that_names_inference_sdk():
    for name in ("createDataChannel", "createOffer", "on"):
        with pytest.raises(AttributeError, match="inference_sdk"):
            getattr(PeerConnection(), name)


def test_our_sources_refuse_the_peer_connection_of_another_library():
    with pytest.raises(RuntimeError, match="inference_sdk"):
        asyncio.run(ManualSource().configure_peer_connection(object()))


def test_a_source_may_hand_over_to_one_of_ours():
    inner = VideoFileSource("a")
    pc = PeerConnection()
    asyncio.run(inner.configure_peer_connection(pc))
    assert pc._native is inner
    with pytest.raises(ValueError):
        asyncio.run(inner.configure_peer_connection(pc))


def test_frames_cannot_be_sent_before_the_session_started():
    import numpy as np

    with pytest.raises(RuntimeError, match="not started"):
        ManualSource().send(np.zeros((4, 4, 3), np.uint8))
