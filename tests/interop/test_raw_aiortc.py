"""A raw aiortc peer against `framewire serve`: reconfiguration, acknowledgements, hostile messages, early ends."""

import asyncio
import struct

import pytest
from conftest import crop, detection
from raw_peer import RawPeer

FRAMES = 250


def run(coroutine):
    return asyncio.run(coroutine)


def test_outputs_change_in_the_middle_of_a_stream(worker, clip):
    async def scenario():
        async with RawPeer(worker.url, detection(), data_output=["predictions"]) as peer:
            peer.control(ack=0)
            peer.send_file(clip)
            # The worker paces itself from the first acknowledgement on: at most two frames are ahead of it.
            seen = {}
            while True:
                frame_id, message = await peer.result()
                if message["processing_complete"]:
                    return seen, message
                data = message["serialized_output_data"]
                seen[frame_id] = None if data is None else tuple(sorted(data))
                if frame_id == 20:
                    peer.control(data_output=[])
                if frame_id == 60:
                    peer.control(data_output=["image", "predictions"])
                if frame_id == 100:
                    peer.control(data_output=["*"])
                peer.control(ack=frame_id)

    seen, _ = run(scenario())
    assert sorted(seen) == list(range(1, FRAMES + 1))
    assert seen[20] == ("predictions",)
    assert seen[50] is None
    assert seen[90] == ("image", "predictions")
    assert seen[130] == ("predictions",)


def test_acknowledgements_pace_the_worker(worker, clip):
    async def scenario():
        async with RawPeer(worker.url, crop(), data_output=["crop"]) as peer:
            peer.control(ack=1)
            peer.send_file(clip)
            # Window 1, frame 1 acknowledged beforehand: frame 2 may come, frame 3 must not.
            first = [(await peer.result())[0] for _ in range(2)]
            with pytest.raises(asyncio.TimeoutError):
                await peer.result(timeout=1.0)
            peer.control(ack=5)
            more = [(await peer.result())[0] for _ in range(4)]
            with pytest.raises(asyncio.TimeoutError):
                await peer.result(timeout=1.0)
            return first, more

    assert run(scenario()) == ([1, 2], [3, 4, 5, 6])


def test_keep_alive_pings_are_echoed(worker):
    async def scenario():
        async with RawPeer(worker.url, crop()) as peer:
            peer.upload.send(b"\x00")
            peer.upload.send(b"\x07")
            return [await asyncio.wait_for(peer.echoes.get(), 10) for _ in range(2)]

    assert run(scenario()) == [b"\x00", b"\x07"]


def test_chunks_in_reverse_order_make_the_same_file(worker, clip):
    async def scenario():
        async with RawPeer(worker.url, crop()) as peer:
            peer.send_file(clip, order=reversed(range(11)))
            results, (header_id, message) = await peer.until_complete()
            return len(results), header_id, message

    count, header_id, message = run(scenario())
    assert count == FRAMES
    assert header_id == FRAMES + 1 and message["video_metadata"]["frame_id"] == FRAMES
    assert message["termination_reason"] is None and message["errors"] == []


HOSTILE_UPLOADS = {
    "contradictory totals": [struct.pack("<II", 0, 3) + b"x" * 10, struct.pack("<II", 1, 4) + b"x" * 10],
    "more than a gigantic total": [struct.pack("<II", 0, 0xFFFFFFFF) + b"x" * 10],
}


@pytest.mark.parametrize("name", HOSTILE_UPLOADS)
def test_a_hostile_upload_ends_with_a_completion_message(worker, clip, name):
    async def scenario():
        async with RawPeer(worker.url, crop()) as peer:
            for message in HOSTILE_UPLOADS[name]:
                peer.upload.send(message)
            results, (_, message) = await peer.until_complete()
            return results, message

    results, message = run(scenario())
    assert results == [] and message["errors"] != []


def test_chunks_that_cannot_be_are_counted_and_skipped(worker, clip):
    async def scenario():
        async with RawPeer(worker.url, crop()) as peer:
            for length in range(2, 8):
                peer.upload.send(b"x" * length)
            peer.upload.send(struct.pack("<II", 0, 0) + b"x")
            peer.upload.send(struct.pack("<II", 11, 11) + b"x" * 10)
            peer.send_file(clip)
            results, (_, message) = await peer.until_complete()
            return len(results), message["errors"]

    assert run(scenario()) == (FRAMES, [])


def test_hostile_control_messages_change_nothing(worker, clip):
    async def scenario():
        async with RawPeer(worker.url, crop()) as peer:
            for text in ["", "{", "[]", "7", "null", '{"ack": "x"}', '{"ack": -4}', '{"data_output": 7}', "[" * 5000]:
                peer.inference.send(text)
            peer.inference.send(b"\xff\xfe")
            for _ in range(10_000):
                peer.inference.send('{"ack": 0}')
            peer.send_file(clip)
            results, _ = await peer.until_complete()
            return len(results)

    assert run(scenario()) == FRAMES


def test_chunks_after_completion_are_ignored(worker, clip):
    async def scenario():
        async with RawPeer(worker.url, crop()) as peer:
            total = peer.send_file(clip)
            peer.upload.send(struct.pack("<II", 0, total) + b"x" * 49152)
            results, (_, message) = await peer.until_complete()
            return len(results), message["errors"]

    assert run(scenario()) == (FRAMES, [])


def test_a_processing_timeout_is_named(worker, clip):
    async def scenario():
        # 3 s less the reserve of one second; nothing is ever uploaded.
        async with RawPeer(worker.url, crop(), processing_timeout=3) as peer:
            results, (_, message) = await peer.until_complete()
            return results, message

    results, message = run(scenario())
    assert results == [] and message["termination_reason"] == "timeout_reached"


def test_an_offer_without_a_data_channel_is_refused(worker):
    async def scenario():
        from aiortc import RTCPeerConnection

        pc = RTCPeerConnection()
        pc.addTransceiver("video", "recvonly")
        peer = RawPeer(worker.url, crop(), upload=False)
        await peer.pc.close()
        peer.pc = pc
        async with peer:
            return peer.response

    response = run(scenario())
    assert response.status_code == 400 and response.json()["message"]


def test_a_video_section_nobody_needs_is_answered_inactive(worker, clip):
    async def scenario():
        peer = RawPeer(worker.url, crop())
        peer.pc.addTransceiver("video", "recvonly")
        async with peer:
            peer.send_file(clip)
            results, _ = await peer.until_complete()
            return peer.response.json()["sdp"], len(results)

    sdp, count = run(scenario())
    assert "a=inactive" in sdp and count == FRAMES
