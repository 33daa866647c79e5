"""Drives an aiortc peer by JSON lines: a command a line on stdin, an event a line on stdout. Not a test.

A peer has `pc`, the connection, and `async run(command) -> bool`, false when it is done.
"""

import asyncio
import json
import sys


def say(event: str, **fields) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


async def drive(peer) -> None:
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        try:
            if not await peer.run(json.loads(line)):
                break
        except Exception as error:  # reported to whoever drives this peer
            say("error", message=f"{type(error).__name__}: {error}")
    await peer.pc.close()
