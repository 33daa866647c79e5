"""Sends messages without end over an aiortc channel, and counts them: a window of the transfer with its CPU time. Not a test."""

import asyncio
import resource
import struct
import time

from json_lines import say

PROBE_BYTES = 200
PROBE_EVERY = 0.01
# Sends between two turns of the event loop, which small messages would keep out for long.
AT_ONCE = 256


class Meter:
    """The first message starts the window `skip` seconds later; `seconds` after that it reports `event`."""

    def __init__(self, event: str, command: dict) -> None:
        self.event = event
        self.skip, self.seconds = command.get("skip", 0.0), command.get("seconds", 1.0)
        self.bytes = self.messages = 0
        self.delays = []

    def add(self, size: int) -> None:
        self.bytes += size
        self.messages += 1
        if self.messages == 1:
            asyncio.get_running_loop().call_later(self.skip, self._begin)

    def delayed(self, message: bytes) -> None:
        self.delays.append((time.monotonic_ns() - struct.unpack_from("<Q", message)[0]) / 1e6)

    def _begin(self) -> None:
        self.delays.clear()
        asyncio.get_running_loop().call_later(self.seconds, self._report, self._snapshot())

    def _snapshot(self) -> tuple:
        return self.bytes, self.messages, time.process_time(), time.monotonic()

    def _report(self, first: tuple) -> None:
        size, messages, cpu, seconds = (b - a for a, b in zip(first, self._snapshot()))
        delays = sorted(self.delays)

        def quantile(q):
            return delays[int((len(delays) - 1) * q)] if delays else None

        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        say(
            self.event, bytes=size, messages=messages, seconds=seconds, cpu=cpu, rss_mb=rss,
            probes=len(delays), p50_ms=quantile(0.5), p99_ms=quantile(0.99), more={},
        )  # fmt: skip


async def flood(channels: dict, command: dict) -> None:
    """Never ends by itself."""
    channel, size, limit = channels[command["channel"]], command["size"], command["limit"]
    probing = asyncio.ensure_future(probe(channels[command["probe"]])) if command.get("probe") else None
    meter = Meter("sent", command)
    drained = asyncio.Event()
    channel.bufferedAmountLowThreshold = limit // 2
    channel.on("bufferedamountlow", drained.set)
    message = b"\x07" * size
    try:
        while True:
            for _ in range(AT_ONCE):
                while channel.bufferedAmount + size > limit:
                    drained.clear()
                    await drained.wait()
                channel.send(message)
                meter.add(size)
            await asyncio.sleep(0)
    finally:
        if probing:
            probing.cancel()


async def probe(channel) -> None:
    begun, sent = time.monotonic(), 0
    while True:
        channel.send(struct.pack("<Q", time.monotonic_ns()).ljust(PROBE_BYTES, b"\x07"))
        sent += 1
        await asyncio.sleep(max(0.0, begun + PROBE_EVERY * sent - time.monotonic()))
