"""An aiortc peer with one video track each way, driven by JSON lines: one command a line in, one event a line out.

    {"cmd": "offer", "codec": "VP8"}    -> {"event": "offer", "sdp": ..}
    {"cmd": "answer", "sdp": .., ..}    -> {"event": "answer", "sdp": ..}
    {"cmd": "accept", "sdp": ..}
    {"cmd": "report"}                   -> {"event": "report", "decoded": n, "size": [w, h], "detail": x, "sent": n, "bitrate": n}
    {"cmd": "close"}

Needs aiortc and numpy. Run by `cargo run --release -p framewire-transport --example aiortc_video`.
"""

import asyncio

import numpy as np
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from av import VideoFrame
from json_lines import drive, say


class Pattern(VideoStreamTrack):
    """Noise that moves, so that the encoder uses what bit rate it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.noise = np.random.default_rng(1).integers(0, 255, (960, 640, 3), np.uint8)

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        self.count += 1
        at = self.count * 7 % 480
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(self.noise[at : at + 480]), "rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


class Peer:
    def __init__(self) -> None:
        self.pc = RTCPeerConnection()
        self.source = Pattern()
        self.decoded = 0
        self.size = None
        self.detail = 0.0
        self.tasks = []
        self.pc.on("track", lambda track: self.tasks.append(asyncio.ensure_future(self.pump(track))))

    async def pump(self, track) -> None:
        while True:
            frame = await track.recv()
            self.decoded += 1
            self.size = [frame.width, frame.height]
            if self.decoded % 30 == 0:
                self.detail = max(self.detail, float(frame.to_ndarray(format="gray").std()))

    async def run(self, command: dict) -> bool:
        name = command["cmd"]
        if name == "offer":
            transceiver = self.pc.addTransceiver(self.source, "sendrecv")
            wanted = f"video/{command['codec']}".lower()
            known = RTCRtpSender.getCapabilities("video").codecs
            transceiver.setCodecPreferences([c for c in known if c.mimeType.lower() in (wanted, "video/rtx")])
            self.pc.createDataChannel("inference")
            await self.pc.setLocalDescription(await self.pc.createOffer())
            say("offer", sdp=self.pc.localDescription.sdp)
        elif name == "answer":
            await self.pc.setRemoteDescription(RTCSessionDescription(command["sdp"], "offer"))
            self.pc.addTrack(self.source)
            await self.pc.setLocalDescription(await self.pc.createAnswer())
            say("answer", sdp=self.pc.localDescription.sdp)
        elif name == "accept":
            await self.pc.setRemoteDescription(RTCSessionDescription(command["sdp"], "answer"))
        elif name == "report":
            sender = self.pc.getSenders()[0]
            encoder = getattr(sender, "_RTCRtpSender__encoder", None)
            say(
                "report",
                decoded=self.decoded,
                size=self.size,
                detail=self.detail,
                sent=self.source.count,
                bitrate=getattr(encoder, "target_bitrate", 0),
            )
        elif name == "close":
            await self.pc.close()
            return False
        return True


async def main() -> None:
    await drive(Peer())


if __name__ == "__main__":
    asyncio.run(main())
