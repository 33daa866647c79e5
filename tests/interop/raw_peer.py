"""A raw aiortc peer: full control over offer, channels and messages, for what the Python client has no call for."""

import asyncio
import gzip
import json
import struct

import requests
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

CHUNK = 49152


class RawPeer:
    """Offers `inference` and, for files, `video_upload`; collects every message of the worker."""

    def __init__(self, url, workflow, upload=True, **request):
        self.url = url
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.inference = self.pc.createDataChannel("inference")
        self.upload = self.pc.createDataChannel("video_upload") if upload else None
        self.request = {
            "api_key": "test-key",
            "webrtc_realtime_processing": False,
            "stream_output": [],
            "data_output": [],
            **request,
            "workflow_configuration": {"type": "WorkflowConfiguration", "image_input_name": "image", "workflow_specification": workflow},
        }
        self.results = asyncio.Queue()
        self.echoes = asyncio.Queue()
        self.closed = asyncio.Event()
        self.parts = {}
        self.inference.on("message", self._on_result)
        self.pc.on("connectionstatechange", self._on_state)
        if self.upload:
            self.upload.on("message", self.echoes.put_nowait)

    async def __aenter__(self):
        await self.pc.setLocalDescription(await self.pc.createOffer())
        description = self.pc.localDescription
        body = {**self.request, "webrtc_offer": {"type": description.type, "sdp": description.sdp}}
        self.response = await asyncio.to_thread(
            requests.post, f"{self.url}/initialise_webrtc_worker", json=body, timeout=90
        )
        if self.response.status_code == 200:
            answer = self.response.json()
            await self.pc.setRemoteDescription(RTCSessionDescription(sdp=answer["sdp"], type=answer["type"]))
            for channel in filter(None, (self.inference, self.upload)):
                await self._opened(channel)
        return self

    async def __aexit__(self, *_):
        await self.pc.close()

    async def _opened(self, channel):
        opened = asyncio.Event()
        channel.on("open", opened.set)
        if channel.readyState != "open":
            await asyncio.wait_for(opened.wait(), 20)

    def _on_state(self):
        if self.pc.connectionState in ("failed", "closed"):
            self.closed.set()

    def _on_result(self, message):
        frame_id, index, total = struct.unpack_from("<III", message)
        parts = self.parts.setdefault(frame_id, {})
        parts[index] = message[12:]
        if len(parts) == total:
            body = b"".join(parts[i] for i in range(total))
            del self.parts[frame_id]
            if body[:2] == b"\x1f\x8b":
                body = gzip.decompress(body)
            self.results.put_nowait((frame_id, json.loads(body)))

    async def result(self, timeout=30):
        """The next result message: (frame id of the header, object)."""
        return await asyncio.wait_for(self.results.get(), timeout)

    async def until_complete(self):
        """All results up to and without the completion message, and that message."""
        results = []
        while True:
            frame_id, message = await self.result()
            if message["processing_complete"]:
                return results, (frame_id, message)
            results.append((frame_id, message))

    def control(self, **fields):
        self.inference.send(json.dumps(fields))

    def send_file(self, path, order=None):
        """Sends the file in 48 KiB chunks, in index order or the one given."""
        data = open(path, "rb").read()
        total = -(-len(data) // CHUNK)
        for index in order or range(total):
            self.upload.send(struct.pack("<II", index, total) + data[index * CHUNK : (index + 1) * CHUNK])
        return total
