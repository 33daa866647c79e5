"""One run of the channel bench: two peers, or two pairs that share a bottleneck, over loopback or through the relay."""

import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "interop"))
from channel_peers import RIVALS_TARGET, Peer, connect  # noqa: E402

RELAY = RIVALS_TARGET / "release" / "bench-relay"
# How late the relay may be with one packet of a hundred before it is the bottleneck itself.
LATE_MS = 5.0
PATIENCE = 30


class Void(Exception):
    """Something beyond the seeded loss was dropped, or the relay did not keep up."""


class Relay:
    """The path; its lanes are pairs of ports."""

    def __init__(self, seed, delay_ms=0, loss=0, rate=0, queue=0, lanes=1):
        options = {"seed": seed, "delay-ms": delay_ms, "loss": loss, "lanes": lanes}
        if rate:
            options |= {"rate": rate, "queue": queue}
        command = [str(RELAY)] + [part for name, value in options.items() for part in (f"--{name}", str(value))]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lanes = json.loads(self.process.stdout.readline())["lanes"]
        self.limited = bool(rate)

    def report(self):
        """Ends it. Void when it dropped what it should not have."""
        self.process.stdin.close()
        line = self.process.stdout.readline()
        self.process.wait(10)
        report = json.loads(line)
        for way in (report["there"], report["back"]):
            if way["unsent"] or (way["overflowed"] and not self.limited):
                raise Void(f"the relay dropped {way}")
            if way["late_ms"]["p99"] > LATE_MS:
                raise Void(f"the relay was late: {way['late_ms']}")
        if report["kernel_drops"]:
            raise Void(f"the kernel dropped {report['kernel_drops']} at the relay's sockets")
        return report

    def stop(self):
        self.process.kill()
        self.process.wait(10)


def kernel_drops(*processes):
    """Datagrams the kernel dropped because a socket of theirs was not read in time."""
    sockets = set()
    for process in processes:
        for entry in pathlib.Path(f"/proc/{process.pid}/fd").iterdir():
            try:
                sockets.add(os.readlink(entry))
            except OSError:
                pass  # closed meanwhile
    rows = [row.split() for name in ("udp", "udp6") for row in pathlib.Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return sum(int(row[12]) for row in rows if f"socket:[{row[9]}]" in sockets)


class Pair:
    """A sender and a receiver that are connected."""

    def __init__(self, sender, receiver, labels, lane=None):
        self.sender = Peer(sender)
        self.receiver = Peer(receiver)
        try:
            connect(self.sender, self.receiver, labels, lane)
        except BaseException:
            self.stop()
            raise

    def begin(self, size, limit, skip, seconds, probe):
        window = {"channel": "bulk", "skip": skip, "seconds": seconds, **({"probe": probe} if probe else {})}
        self.receiver.tell("count", **window)
        self.receiver.until("ready")
        self.sender.tell("flood", size=size, limit=limit, **window)

    def end(self, wait):
        received = self.receiver.until("received", wait)
        return self.sender.until("sent", wait), received

    def stop(self):
        self.sender.stop()
        self.receiver.stop()


def figures(sent, received):
    size, seconds = received["bytes"], received["seconds"]
    gigabytes = max(size, 1) / 1e9
    return {
        "rate": size / seconds,
        "messages": received["messages"] / seconds,
        "sender_cpu_s_per_gb": sent["cpu"] / sent["seconds"] / max(size / seconds, 1) * 1e9,
        "receiver_cpu_s_per_gb": received["cpu"] / gigabytes,
        "sender_rss_mb": sent["rss_mb"],
        "receiver_rss_mb": received["rss_mb"],
        "p50_ms": received["p50_ms"],
        "p99_ms": received["p99_ms"],
        "retransmitted": retransmitted(sent["more"]),
        "more": sent["more"],
    }


def retransmitted(more):
    """The share of a sender's packets, where its engine counts them."""
    return more["retransmitted"] / max(more["packets"], 1) if "packets" in more else None


def transfer(sender, receiver, seed, size, limit, skip, seconds, path=None, probe=None):
    relay = Relay(seed, **path) if path else None
    pair = None
    try:
        pair = Pair(sender, receiver, ["bulk", *([probe] if probe else [])], relay and relay.lanes[0])
        pair.begin(size, limit, skip, seconds, probe)
        sent, received = pair.end(skip + seconds + PATIENCE)
        result = {**figures(sent, received), "kernel_drops": kernel_drops(pair.sender.process, pair.receiver.process)}
        if result["kernel_drops"] and sender == receiver == "framewire":
            raise Void(f"the kernel dropped {result['kernel_drops']} datagrams at our sockets")
        return {**result, "relay": relay.report()} if relay else result
    finally:
        if pair:
            pair.stop()
        if relay:
            relay.stop()


def fairness(ours, reno, seed, size, limit, skip, seconds, path):
    """Two senders of the same bytes through one bottleneck; `rate` is ours and `share` of both."""
    relay = Relay(seed, **path)
    pairs = []
    try:
        for kind, lane in zip((ours, reno), relay.lanes):
            pairs.append(Pair(kind, kind, ["bulk"], lane))
        for pair in pairs:
            pair.begin(size, limit, skip, seconds, None)
        us, them = (figures(*pair.end(skip + seconds + PATIENCE)) for pair in pairs)
        share = us["rate"] / (us["rate"] + them["rate"])
        return {**us, "other_rate": them["rate"], "share": share, "relay": relay.report()}
    finally:
        for pair in pairs:
            pair.stop()
        relay.stop()
