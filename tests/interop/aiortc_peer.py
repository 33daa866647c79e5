"""A bare aiortc peer driven by JSON lines: one command a line on stdin, one event a line on stdout.

It knows nothing of framewire's messages; it is what the transport is checked against. Needs `aiortc` only.

Commands                                            Events
{"cmd": "offer", "channels": [..], "video": bool}   {"event": "offer", "sdp": ..}
{"cmd": "answer", "sdp": ..}                        {"event": "answer", "sdp": ..}
{"cmd": "accept", "sdp": ..}
{"cmd": "open", "label": .., "ordered": bool, "retransmits": n, "lifetime": ms}   {"event": "open", "channel": ..}
{"cmd": "send", "channel": .., "text": .. or "size": n}
{"cmd": "bulk", "channel": .., "size": n, "count": n}   {"event": "message", "channel": .., "text": .. or "size", "sum": adler32}
{"cmd": "echo"}: sends each message back instead of reporting it   {"event": "ready"}
{"cmd": "close_channel", "channel": ..}             {"event": "channel_closed", "channel": ..}
{"cmd": "close"}                                    {"event": "state", "state": ..}

A channel to offer is a label or what `open` takes. `flood` and `count` measure, see metering.py. With `--loopback` it offers
127.0.0.1 alone.

Run by hand against the Rust side (both roles, both directions, closing from either side):
    cargo run --release -p framewire-transport --example aiortc -- <python with aiortc> tests/interop/aiortc_peer.py
"""

import asyncio
import sys
import zlib

import aioice.ice
from aiortc import RTCPeerConnection, RTCSessionDescription
from json_lines import drive, say
from metering import Meter, flood

LOW_WATER = 256 * 1024


class Peer:
    def __init__(self) -> None:
        self.pc = RTCPeerConnection()
        self.channels = {}
        self.echo = False
        self.counting = None
        self.tasks = set()
        self.pc.on("datachannel", self.watch)
        self.pc.on("connectionstatechange", lambda: say("state", state=self.pc.connectionState))

    def watch(self, channel) -> None:
        label = channel.label
        self.channels[label] = channel
        channel.on("message", lambda message: self.received(channel, message))
        channel.on("close", lambda: say("channel_closed", channel=label))
        if channel.readyState == "open":
            say("open", channel=label)
        else:
            channel.on("open", lambda: say("open", channel=label))

    def received(self, channel, message) -> None:
        if self.counting:
            meter, probe = self.counting
            if channel.label == probe:
                meter.delayed(message)
            else:
                meter.add(len(message))
        elif self.echo:
            channel.send(message)
        else:
            say("message", channel=channel.label, **describe(message))

    def open(self, label, ordered=True, retransmits=None, lifetime=None, **_) -> None:
        self.watch(
            self.pc.createDataChannel(label, ordered=ordered, maxRetransmits=retransmits, maxPacketLifeTime=lifetime)
        )

    def start(self, coroutine) -> None:
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def run(self, command: dict) -> bool:
        name = command["cmd"]
        if name == "offer":
            for entry in command["channels"]:
                self.open(**({"label": entry} if isinstance(entry, str) else entry))
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
        elif name == "open":
            self.open(**command)
        elif name == "send":
            size = command.get("size")
            self.channels[command["channel"]].send(command["text"] if size is None else filled(size))
        elif name == "echo":
            self.echo = True
            say("ready")
        elif name == "count":
            self.counting = (Meter("received", command), command.get("probe"))
            say("ready")
        elif name == "flood":
            self.start(flood(self.channels, command))
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
    return {"size": len(message), "sum": zlib.adler32(message)}


def filled(size: int) -> bytes:
    """Bytes that repeat after a prime, so that no packet looks like another."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


async def main() -> None:
    if "--loopback" in sys.argv:
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    await drive(Peer())


if __name__ == "__main__":
    asyncio.run(main())
