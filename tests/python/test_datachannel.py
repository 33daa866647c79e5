"""The framing helpers: byte for byte, within their bounds, and on a real aiortc channel.

Not here: how sessions use the same framing, which is native.
"""

import asyncio
import struct

import aiortc
import pytest

from framewire.webrtc import datachannel
from framewire.webrtc.datachannel import ChunkReassembler, VideoFileUploader, create_video_upload_chunk


def chunk(frame, index, total, payload):
    return struct.pack("<III", frame, index, total) + payload


def test_one_chunk_is_a_whole_message():
    assert ChunkReassembler().add_chunk(bytes.fromhex("0100000000000000010000007b2261223a317d")) == (b'{"a":1}', 1)


def test_chunks_come_together_in_any_order_and_beside_other_frames():
    reassembler = ChunkReassembler()
    assert reassembler.add_chunk(chunk(7, 1, 2, b"1}")) == (None, None)
    assert reassembler.add_chunk(chunk(8, 0, 2, b"x")) == (None, None)
    assert reassembler.add_chunk(chunk(7, 1, 2, b"1}")) == (None, None)
    assert reassembler.add_chunk(chunk(7, 0, 2, b'{"a":')) == (b'{"a":1}', 7)
    assert reassembler.add_chunk(chunk(8, 1, 2, b"y")) == (b"xy", 8)


@pytest.mark.parametrize(
    "message",
    [b"", b"short", chunk(1, 0, 0, b""), chunk(1, 2, 2, b"x"), chunk(1, 0, 4097, b"x"), chunk(5, 1, 3, b"x")],
)
def test_an_invalid_chunk_is_a_value_error_and_leaves_other_frames_alone(message):
    reassembler = ChunkReassembler()
    reassembler.add_chunk(chunk(5, 0, 2, b"a"))
    reassembler.add_chunk(chunk(6, 0, 2, b"a"))
    with pytest.raises(ValueError):
        reassembler.add_chunk(message)
    assert reassembler.add_chunk(chunk(6, 1, 2, b"b")) == (b"ab", 6)


def test_at_most_eight_messages_are_kept_incomplete():
    reassembler = ChunkReassembler()
    for frame in range(9):
        reassembler.add_chunk(chunk(frame, 0, 2, b"a"))
    assert reassembler.add_chunk(chunk(0, 1, 2, b"b")) == (None, None)
    assert reassembler.add_chunk(chunk(8, 1, 2, b"b")) == (b"ab", 8)


def test_upload_chunks_have_the_documented_bytes():
    assert create_video_upload_chunk(1, 3, b"data") == bytes.fromhex("0100000003000000") + b"data"
    assert create_video_upload_chunk(0, 0xFFFFFFFF, b"")[4:] == b"\xff\xff\xff\xff"


@pytest.mark.parametrize(("index", "total"), [(-1, 3), (0, 1 << 32), (3, 3), (0, 0), (0, -1)])
def test_upload_chunk_numbers_out_of_range_are_value_errors(index, total):
    with pytest.raises(ValueError):
        create_video_upload_chunk(index, total, b"")


class PlainChannel:
    """A channel without events that drains a little each time it is looked at."""

    def __init__(self, drain=30_000):
        self.readyState = "open"
        self.sent = []
        self.peak = 0
        self._buffered = 0
        self._drain = drain

    @property
    def bufferedAmount(self):
        self._buffered = max(0, self._buffered - self._drain)
        return self._buffered

    def send(self, data):
        assert self.readyState == "open"
        self.sent.append(bytes(data))
        self._buffered += len(data)
        self.peak = max(self.peak, self._buffered)


class EventChannel(PlainChannel):
    """A channel with events: it drains only when the loop runs its drain."""

    def __init__(self):
        super().__init__(drain=0)
        self.listeners = {}
        self.bufferedAmountLowThreshold = 5
        self.looks = 0

    @property
    def bufferedAmount(self):
        self.looks += 1
        return self._buffered

    def on(self, event, listener):
        self.listeners.setdefault(event, []).append(listener)

    def remove_listener(self, event, listener):
        self.listeners[event].remove(listener)

    def emit(self, event):
        for listener in list(self.listeners.get(event, [])):
            listener()

    def drain(self):
        self._buffered = 0
        self.emit("bufferedamountlow")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "clip.bin"
    path.write_bytes(bytes(range(256)) * 1000)
    return path


def joined(sent):
    return b"".join(message[8:] for message in sent)


def test_a_channel_without_events_is_polled_and_never_overfilled(file):
    channel = PlainChannel()
    seen = []
    uploader = VideoFileUploader(str(file), channel, chunk_size=10_000, buffer_limit=20_000)
    assert (uploader.file_size, uploader.total_chunks, uploader.uploaded_chunks) == (256_000, 26, 0)
    asyncio.run(uploader.upload(lambda done, total: seen.append((done, total))))
    assert joined(channel.sent) == file.read_bytes()
    assert [struct.unpack("<II", each[:8]) for each in channel.sent] == [(index, 26) for index in range(26)]
    assert seen == [(done, 26) for done in range(1, 27)]
    assert uploader.uploaded_chunks == 26
    assert channel.peak <= 20_000 + 10_008


def test_a_channel_with_events_is_waited_for_without_looking_again(file):
    channel = EventChannel()
    drains = []

    async def scenario():
        loop = asyncio.get_running_loop()

        def drain():
            drains.append(channel.looks)
            channel.drain()
            if len(channel.sent) < 26:
                loop.call_later(0.05, drain)

        loop.call_later(0.05, drain)
        await VideoFileUploader(file, channel, chunk_size=10_000, buffer_limit=50_000).upload()

    asyncio.run(scenario())
    assert joined(channel.sent) == file.read_bytes()
    # About one look for each chunk and each wake-up: nothing was polled in between.
    assert channel.looks <= 26 * 2 + 2 * len(drains) + 2
    assert channel.bufferedAmountLowThreshold == 5
    assert not any(channel.listeners.values())


def test_a_channel_that_closes_ends_the_upload_with_a_runtime_error(file):
    channel = EventChannel()

    async def scenario():
        def close():
            channel.readyState = "closed"
            channel.emit("close")

        asyncio.get_running_loop().call_later(0.05, close)
        await VideoFileUploader(file, channel, chunk_size=10_000, buffer_limit=0).upload()

    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(scenario())


def test_a_channel_that_is_not_open_is_a_runtime_error(file):
    channel = PlainChannel()
    channel.readyState = "connecting"
    with pytest.raises(RuntimeError, match="connecting"):
        asyncio.run(VideoFileUploader(file, channel).upload())
    assert channel.sent == []


def test_a_channel_that_never_drains_ends_with_an_error_that_says_so(file, monkeypatch):
    monkeypatch.setattr(datachannel, "_STALL_LIMIT", 0.1)
    for channel in (PlainChannel(drain=0), EventChannel()):
        with pytest.raises(RuntimeError, match="stalled"):
            asyncio.run(VideoFileUploader(file, channel, buffer_limit=0).upload())


@pytest.mark.parametrize("change", ["grow", "shrink"])
def test_a_file_that_changes_its_size_is_never_sent_short(file, change):
    channel = PlainChannel()
    uploader = VideoFileUploader(file, channel, chunk_size=10_000)
    data = file.read_bytes()
    file.write_bytes(data + b"more" if change == "grow" else data[:-1])
    with pytest.raises(RuntimeError, match="changed"):
        asyncio.run(uploader.upload())
    assert len(channel.sent) < uploader.total_chunks


def test_an_empty_file_is_an_error_at_once(tmp_path):
    empty = tmp_path / "empty.mp4"
    empty.touch()
    uploader = VideoFileUploader(empty, PlainChannel())
    assert uploader.total_chunks == 0
    with pytest.raises(RuntimeError, match="empty"):
        asyncio.run(uploader.upload())


def test_a_missing_file_is_an_os_error_in_the_constructor(tmp_path):
    with pytest.raises(FileNotFoundError):
        VideoFileUploader(str(tmp_path / "none.mp4"), PlainChannel())


@pytest.mark.parametrize("arguments", [{"chunk_size": 0}, {"chunk_size": -5}, {"buffer_limit": -1}])
def test_sizes_that_cannot_work_are_value_errors(file, arguments):
    with pytest.raises(ValueError):
        VideoFileUploader(file, PlainChannel(), **arguments)


def test_what_the_progress_callback_raises_ends_the_upload(file):
    def refuse(done, total):
        raise KeyError("stop")

    with pytest.raises(KeyError):
        asyncio.run(VideoFileUploader(file, PlainChannel()).upload(refuse))


def test_an_upload_through_a_real_aiortc_channel_arrives_whole(tmp_path):
    path = tmp_path / "clip.bin"
    path.write_bytes(bytes(range(256)) * 4096)

    async def scenario():
        alone = aiortc.RTCConfiguration(iceServers=[])
        left, right = aiortc.RTCPeerConnection(alone), aiortc.RTCPeerConnection(alone)
        received, whole = [], asyncio.Event()

        @right.on("datachannel")
        def on_channel(channel):
            @channel.on("message")
            def on_message(message):
                received.append(message)
                if len(received) == uploader.total_chunks:
                    whole.set()

        channel = left.createDataChannel("video_upload")
        opened = asyncio.Event()
        channel.on("open", opened.set)
        uploader = VideoFileUploader(str(path), channel)
        await left.setLocalDescription(await left.createOffer())
        await right.setRemoteDescription(left.localDescription)
        await right.setLocalDescription(await right.createAnswer())
        await left.setRemoteDescription(right.localDescription)
        await asyncio.wait_for(opened.wait(), 20)
        await asyncio.wait_for(uploader.upload(), 40)
        await asyncio.wait_for(whole.wait(), 40)
        await left.close()
        await right.close()
        return received

    assert joined(asyncio.run(scenario())) == path.read_bytes()
