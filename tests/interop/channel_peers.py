"""Peers with data channels, each a process driven by JSON lines (benches/rivals/README.md), and how two of them meet. Not a test."""

import json
import os
import pathlib
import queue
import re
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
INTEROP = pathlib.Path(__file__).resolve().parent
RIVALS = ROOT / "benches" / "rivals"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
RIVALS_TARGET = pathlib.Path(os.environ.get("RIVALS_TARGET_DIR", RIVALS / "target"))

COMMANDS = {
    "framewire": [TARGET / "release" / "examples" / "channel_peer"],
    "aiortc": [ROOT / ".venv-interop" / "bin" / "python", INTEROP / "aiortc_peer.py", "--loopback"],
    "libdatachannel": ["node", RIVALS / "libdatachannel" / "peer.mjs"],
    "chromium": ["node", ROOT / "tests" / "browser" / "channel_peer.mjs"],
    "webrtc-rs": [RIVALS_TARGET / "release" / "bench-webrtc-rs"],
    "str0m": [RIVALS_TARGET / "release" / "bench-stock-str0m"],
}
CANDIDATE = re.compile(r"a=candidate:[^\r\n]*\r\n")


class Failed(Exception):
    """A peer reported an error, or said nothing in time."""


class Peer:
    """One process; `kind` is a name of COMMANDS, with options of that engine behind a colon."""

    def __init__(self, kind, command=None):
        self.kind = kind
        name, _, options = kind.partition(":")
        command = [str(part) for part in command or COMMANDS[name]] + options.split()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.events = queue.Queue()
        self.passed = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            try:
                self.events.put(json.loads(line))
            except ValueError:
                print(f"{self.kind}: {line}", file=sys.stderr, end="")
        self.events.put({"event": "gone"})

    def tell(self, cmd, **fields):
        self.process.stdin.write(json.dumps({"cmd": cmd, **fields}) + "\n")
        self.process.stdin.flush()

    def until(self, event, timeout=30, **wanted):
        """The next event of that name with those fields; others that came before it are kept in `passed`."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                got = self.events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise Failed(f"{self.kind}: no {event} {wanted} within {timeout} s; came {self.passed[-5:]}") from None
            if got["event"] == event and all(got.get(key) == value for key, value in wanted.items()):
                return got
            if got["event"] in ("error", "gone"):
                raise Failed(f"{self.kind}: {got} instead of {event}")
            self.passed.append(got)

    def stop(self):
        if self.kind == "chromium":
            # It ends its browser when its input ends.
            self.process.stdin.close()
            self.process.wait(20)
        self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def only_candidate(sdp, host, port):
    """The description with this address in place of all others."""
    first = CANDIDATE.search(sdp)
    assert first, "the description has no candidate"
    line = f"a=candidate:1 1 udp 2130706431 {host} {port} typ host\r\n"
    return sdp[: first.start()] + line + CANDIDATE.sub("", sdp[first.start() :])


def connect(offerer, answerer, channels, lane=None):
    """Both until `channels` are open. `lane` are the relay's ports that face the offerer and the answerer."""

    def through(sdp, port):
        return only_candidate(sdp, "127.0.0.1", port) if port else sdp

    near, far = lane or (None, None)
    offerer.tell("offer", channels=channels)
    answerer.tell("answer", sdp=through(offerer.until("offer")["sdp"], far))
    offerer.tell("accept", sdp=through(answerer.until("answer")["sdp"], near))
    labels = [entry if isinstance(entry, str) else entry["label"] for entry in channels]
    for peer in (offerer, answerer):
        opened = {peer.until("open")["channel"] for _ in labels}
        assert opened == set(labels), opened
