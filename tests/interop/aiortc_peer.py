"""A bare aiortc peer driven by JSON lines: one command a line on stdin, one event a line on stdout.

It knows nothing of framewire's messages; it is what the transport is checked against. Needs `aiortc` only.

Commands                                            Events
{"cmd": "offer", "channels": [..], "video": bool}   {"event": "offer", "sdp": ..}
{"cmd": "answer", "sdp": ..}                        {"event": "answer", "sdp": ..}
{"cmd": "accept", "sdp": ..}
{"cmd": "send", "channel": .., "text": ..}          {"event": "open", "channel": ..}
{"cmd": "bulk", "channel": .., "size": n, "count": n}   {"event": "message", "channel": .., "text": .. or "size", "sha256"}
{"cmd": "close_channel", "channel": ..}             {"event": "channel_closed", "channel": ..}
{"cmd": "close"}                                    {"event": "state", "state": ..}

Run by hand against the Rust side (both roles, both directions, closing from either side):
    cargo run --release -p framewire-transport --example aiortc -- <python with aiortc> tests/interop/aiortc_peer.py
"""

import asyncio
import hashlib

from aiortc import RTCPeerConnection, RTCSessionDescription
from json_lines import drive, say

LOW_WATER = 256 * 1024


class Peer:
    def __init__(self) -> None:
        self.pc = RTCPeerConnection()
        self.channels = {}
        self.pc.on("datachannel", self.watch)
        self.pc.on("connectionstatechange", lambda: say("state", state=self.pc.connectionState))

    def watch(self, channel) -> None:
        label = channel.label
        self.channels[label] = channel
        channel.on("message", lambda message: say("message", channel=label, **describe(message)))
        channel.on("close", lambda: say("channel_closed", channel=label))
        if channel.readyState == "open":
            say("open", channel=label)
        else:
            channel.on("open", lambda: say("open", channel=label))

    async def run(self, command: dict) -> bool:
        name = command["cmd"]
        if name == "offer":
            for label in command["channels"]:
                self.watch(self.pc.createDataChannel(label))
            if command.get("video"):
                self.pc.addTransceiver("video", direction="sendrecv")
            await self.pc.setLocalDescription(await self.pc.createOffer())
            say("offer", sdp=self.pc.localDescription.sdp)
        elif name == "answer":
            await self.pc.setRemoteDescription(RTCSessionDescription(command["sdp"], "offer"))
            await self.pc.setLocalDescription(await self.pc.createAnswer())
            say("answer", sdp=self.pc.localDescription.sdp)
        elif name == "accept":
            await self.pc.setRemoteDescription(RTCSessionDescription(command["sdp"], "answer"))
        elif name == "send":
            self.channels[command["channel"]].send(command["text"])
        elif name == "bulk":
            await self.bulk(self.channels[command["channel"]], command["size"], command["count"])
        elif name == "close_channel":
            self.channels[command["channel"]].close()
        elif name == "close":
            await self.pc.close()
            return False
        else:
            say("error", message=f"unknown command {name}")
        return True

    async def bulk(self, channel, size: int, count: int) -> None:
        """Sends messages whose bytes tell their index, waiting as the original uploader does."""
        drained = asyncio.Event()
        channel.bufferedAmountLowThreshold = LOW_WATER
        channel.on("bufferedamountlow", drained.set)
        for index in range(count):
            while channel.bufferedAmount > LOW_WATER:
                drained.clear()
                await drained.wait()
            channel.send(index.to_bytes(4, "little") + bytes([index % 256]) * (size - 4))


def describe(message) -> dict:
    if isinstance(message, str):
        return {"text": message}
    return {"size": len(message), "sha256": hashlib.sha256(message).hexdigest()}


async def main() -> None:
    await drive(Peer())


if __name__ == "__main__":
    asyncio.run(main())
