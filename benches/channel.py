"""Data channels of framewire and of other engines, interleaved, on this machine; writes benches/CHANNEL.md, channel.json, channel.svg.

usage: channel.py [--rounds N] [--only NAME…] [--quick] [--render] [--late-ms MS]    (`make bench-channel` builds what it needs)

`--quick` is one short round that shows that everything runs and writes nothing; `--render` writes the page from channel.json.
"""

import argparse
import datetime
import json
import sys

import channel_runs
from channel_page import page, plot
from channel_runs import Void, fairness, transfer
from figures import HERE, machine

sys.path.insert(0, str(HERE.parent / "tests" / "interop"))
from channel_peers import Failed  # noqa: E402

KIB = 1024
US = "framewire"
RENO = "framewire:--congestion new-reno"
ENGINES = [US, "libdatachannel", "webrtc-rs", "str0m", "aiortc"]
LOSSES = [0, 0.5, 1, 2, 5]
# 100 Mbit/s, and what is on the way at a round trip of 50 ms.
RATE = 12.5e6
BDP = RATE * 0.05
TRIES = 3


def scenarios():
    """(name, how, sender, receiver, settings): each is one run of a round."""
    bulk = {"size": 48 * KIB + 8, "limit": 256 * KIB}
    for engine in ENGINES:
        yield "loopback", transfer, engine, engine, {**bulk, "skip": 0.5, "seconds": 3}
        yield "small", transfer, engine, engine, {"size": 200, "limit": 256 * KIB, "skip": 0.5, "seconds": 2}
        yield "latency", transfer, engine, engine, {**bulk, "probe": "probe", "skip": 0.5, "seconds": 3}
    pairs = [(engine, engine) for engine in ENGINES] + [(US, "aiortc"), ("aiortc", US)]
    for loss in LOSSES:
        path = {"delay_ms": 25, "loss": loss}
        for sender, receiver in pairs:
            yield "path", transfer, sender, receiver, {**bulk, "path": path, "skip": 2, "seconds": 5}
    for loss in LOSSES:
        path = {"delay_ms": 25, "loss": loss, "rate": RATE, "queue": BDP}
        for sender, receiver in ((US, US), (US, "aiortc")):
            yield "100 Mbit/s", transfer, sender, receiver, {**bulk, "path": path, "skip": 3, "seconds": 8}
    for queue in (1, 4):
        path = {"delay_ms": 25, "loss": 0, "rate": RATE, "queue": queue * BDP, "lanes": 2}
        yield f"share, {queue} BDP", fairness, US, RENO, {**bulk, "path": path, "skip": 8, "seconds": 25}


def shortened(settings):
    return {**settings, "skip": 0.2, "seconds": 1}


def run(how, sender, receiver, settings, seed):
    """One valid run, or the last void or failed one with the reason."""
    for attempt in range(TRIES):
        try:
            return how(sender, receiver, seed=seed * 100 + attempt, **settings)
        except (Void, Failed) as error:
            result = {"void": f"{type(error).__name__}: {error}"}
            print(f"  {result['void']}", flush=True)
    return result


def measured(options):
    runs = []
    for number in range(options.rounds):
        for name, how, sender, receiver, settings in scenarios():
            if options.only and name not in options.only:
                continue
            if options.quick:
                if settings.get("path", {}).get("loss", 0) not in (0, 5):
                    continue
                settings = shortened(settings)
            result = run(how, sender, receiver, settings, number + 1)
            runs.append({"round": number + 1, "name": name, "sender": sender, "receiver": receiver, **settings, **result})
            loss = settings.get("path", {}).get("loss", "")
            shown = f"{result['rate'] / 1e6:.2f} MB/s" if "rate" in result else "void"
            print(f"round {number + 1} {name} {loss}: {sender} to {receiver}: {shown}", flush=True)
    return runs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--render", action="store_true")
    parser.add_argument("--out", default=str(HERE / "channel.json"))
    parser.add_argument("--late-ms", type=float, default=channel_runs.LATE_MS, help="lateness of the relay that makes a run void")
    options = parser.parse_args()
    channel_runs.LATE_MS = options.late_ms
    if options.quick:
        # It shows that everything runs, also on a busy machine.
        options.rounds, channel_runs.LATE_MS = 1, float("inf")
    if options.render:
        data = json.loads((HERE / "channel.json").read_text())
    else:
        data = {"machine": machine(), "date": str(datetime.date.today()), "rounds": options.rounds}
        data["runs"] = measured(options)
        if options.quick:
            failed = [f"{run['name']} {run['sender']}" for run in data["runs"] if "void" in run]
            sys.exit(f"did not run: {', '.join(failed)}" if failed else 0)
        with open(options.out, "w") as out:
            json.dump(data, out, indent=1)
        if options.only:
            return
    (HERE / "CHANNEL.md").write_text(page(data))
    (HERE / "channel.svg").write_text(plot(data))
    print(page(data))


main()
