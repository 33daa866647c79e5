"""The page and the plot of the channel bench, from its raw results. It measures nothing."""

import math
import statistics

LOSSES = [0, 0.5, 1, 2, 5]
# Colours that hold on white and on black.
COLOURS = ["#e4572e", "#2e86de", "#27ae60", "#9b59b6", "#b7791f", "#808b96", "#16a2b8"]


class Runs:
    """The valid runs of one scenario between two engines, and what was void."""

    def __init__(self, data, name, sender, receiver=None, **path):
        pairs = [
            run
            for run in data["runs"]
            if run["name"] == name
            and (run["sender"], run["receiver"]) == (sender, receiver or sender)
            and all(run["path"][key] == value for key, value in path.items())
        ]
        self.valid = [run for run in pairs if "void" not in run]
        self.void = len(pairs) - len(self.valid)

    def values(self, key):
        return [pick(run, key) for run in self.valid if pick(run, key) is not None]

    def cell(self, key, scale=1.0):
        values = [value * scale for value in self.values(key)]
        if not values:
            return "void" if self.void else "–"
        cell = number(statistics.median(values))
        if len(values) > 1:
            cell += f" ({number(min(values))}–{number(max(values))})"
        return cell + (f", {self.void} void" if self.void else "")


def pick(run, key):
    for part in key.split("/"):
        run = run.get(part) if isinstance(run, dict) else None
    return run


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def engines(data, name):
    """Pairs in the order they ran."""
    return list(dict.fromkeys((run["sender"], run["receiver"]) for run in data["runs"] if run["name"] == name))


def shown(sender, receiver):
    return sender if sender == receiver else f"{sender} to {receiver}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def bulk(data):
    head = ["engine", "MB/s", "CPU s/GB, sender", "receiver", "peak RSS MiB, sender", "receiver", "dropped by kernel"]
    keys = ["sender_cpu_s_per_gb", "receiver_cpu_s_per_gb", "sender_rss_mb", "receiver_rss_mb", "kernel_drops"]
    rows = []
    for sender, receiver in engines(data, "loopback"):
        runs = Runs(data, "loopback", sender, receiver)
        rows.append([shown(sender, receiver), runs.cell("rate", 1e-6), *(runs.cell(key) for key in keys)])
    return table(head, rows)


def small(data):
    rows = []
    for sender, receiver in engines(data, "small"):
        probes = Runs(data, "latency", sender, receiver)
        rows.append([
            shown(sender, receiver),
            Runs(data, "small", sender, receiver).cell("messages", 1e-3),
            probes.cell("p50_ms"), probes.cell("p99_ms"), probes.cell("rate", 1e-6),
        ])  # fmt: skip
    return table(["engine", "200-byte messages, thousands/s", "probe during bulk, p50 ms", "p99 ms", "bulk meanwhile, MB/s"], rows)


def path(data):
    head = ["engine", *(f"{loss} %" for loss in LOSSES), "CPU s/GB at 1 %, sender", "receiver"]
    rows = []
    for sender, receiver in engines(data, "path"):
        cells = [Runs(data, "path", sender, receiver, loss=loss) for loss in LOSSES]
        one = cells[2]
        rows.append([
            shown(sender, receiver), *(runs.cell("rate", 1e-6) for runs in cells),
            one.cell("sender_cpu_s_per_gb"), one.cell("receiver_cpu_s_per_gb"),
        ])  # fmt: skip
    return table(head, rows)


def narrow(data):
    rows = []
    for sender, receiver in engines(data, "100 Mbit/s"):
        for loss in LOSSES:
            runs = Runs(data, "100 Mbit/s", sender, receiver, loss=loss)
            rows.append([
                shown(sender, receiver), f"{loss} %", runs.cell("rate", 1e-6), runs.cell("retransmitted", 100),
                runs.cell("relay/there/queue_ms/mean"), runs.cell("relay/there/queue_ms/p95"),
            ])  # fmt: skip
    return table(["engine", "loss", "MB/s", "retransmitted, % of packets", "added queue, mean ms", "p95 ms"], rows)


def share(data):
    rows = []
    for name in ("share, 1 BDP", "share, 4 BDP"):
        for sender, receiver in engines(data, name):
            runs = Runs(data, name, sender, receiver)
            rows.append([
                name.removeprefix("share, "), runs.cell("share", 100), runs.cell("rate", 1e-6),
                runs.cell("other_rate", 1e-6), runs.cell("relay/there/queue_ms/mean"),
            ])  # fmt: skip
    return table(["queue", "our share, %", "ours, MB/s", "Reno, MB/s", "queue, mean ms"], rows)


def goals(data):
    """What the channel is meant to reach, beside the medians."""
    us, many = "framewire", Runs(data, "loopback", "framewire")
    rows = [["loopback, MB/s", "400", many.cell("rate", 1e-6)]]
    for rival, times in (("aiortc", 30), ("libdatachannel", 6)):
        ours, theirs = many.values("rate"), Runs(data, "loopback", rival).values("rate")
        ratio = number(statistics.median(ours) / statistics.median(theirs)) if ours and theirs else "–"
        rows.append([f"loopback, times {rival}", str(times), ratio])
    for side in ("sender", "receiver"):
        rows.append([f"loopback, {side}'s CPU s/GB", "at most 2.5", many.cell(f"{side}_cpu_s_per_gb")])
    rows.append(["200-byte messages, thousands/s", "600", Runs(data, "small", us).cell("messages", 1e-3)])
    rows.append(["probe during bulk, p99 ms", "at most 5", Runs(data, "latency", us).cell("p99_ms")])
    for receiver, least in ((us, (120, 60, 55, 45, 35)), ("aiortc", (9, 5.5, 5, 4.5, 4))):
        for loss, reach in zip(LOSSES, least):
            runs = Runs(data, "path", us, receiver, loss=loss)
            rows.append([f"50 ms, {loss} %, to {receiver}, MB/s", str(reach), runs.cell("rate", 1e-6)])
    for loss in LOSSES:
        runs = Runs(data, "100 Mbit/s", us, loss=loss)
        rows.append([f"100 Mbit/s, {loss} %, MB/s", "8.5" if loss == 5 else "9.5", runs.cell("rate", 1e-6)])
        rows.append([f"100 Mbit/s, {loss} %, retransmitted %", f"at most {loss + 1}", runs.cell("retransmitted", 100)])
        rows.append([f"100 Mbit/s, {loss} %, added queue ms", "at most 10", runs.cell("relay/there/queue_ms/mean")])
    for name in ("share, 1 BDP", "share, 4 BDP"):
        for sender, receiver in engines(data, name):
            rows.append([f"{name} queue, %", "35 to 65", Runs(data, name, sender, receiver).cell("share", 100)])
    return table(["what", "reach", "measured"], rows)


def page(data):
    return f"""# Data channels

Machine: {data["machine"]}. Date: {data["date"]}. Command: `make bench-channel` (`benches/channel.py --rounds {data["rounds"]}`), rounds
interleaved. Cells: median (min–max). Raw values: `channel.json`. What each engine's program sets: `rivals/README.md`.

Goodput is what the receiver's application got in a window that begins after the start-up. A run is void, and repeated up to
twice, when the relay or, between two of ours, a socket dropped anything beyond the seeded loss, or the relay was late. A rival's
own socket buffers are what it ships with; what the kernel dropped there is in its row.

## framewire

{goals(data)}

## Loopback, messages of 49,160 bytes, 256 KiB buffered at most

{bulk(data)}

## Small messages

Probes are messages of 200 bytes, 100 a second, on a second channel of the connection that carries the bulk.

{small(data)}

## Round trip of 50 ms, no rate limit, goodput in MB/s by loss of each direction

![Goodput against loss](channel.svg)

{path(data)}

## Round trip of 50 ms, 100 Mbit/s, queue of one bandwidth-delay product

11.5 MB/s of payload is what fits.

{narrow(data)}

## Beside one Reno flow on the same 100 Mbit/s

The other flow is ours with its NewReno switch on.

{share(data)}
"""


def plot(data):
    """Goodput against loss, logarithmic, one line for each pair of engines; no plotting library."""
    width, height, left, right, top, bottom = 860, 460, 70, 210, 40, 50
    low, high = 0.1, 1000
    across = (width - left - right) / (len(LOSSES) - 1)
    decades = math.log10(high / low)

    def y(rate):
        return top + (height - top - bottom) * (1 - math.log10(min(max(rate, low), high) / low) / decades)

    parts = []
    for power in range(round(decades) + 1):
        rate = low * 10**power
        parts.append(f'<path class="grid" d="M{left} {y(rate):.1f}H{width - right}"/>')
        parts.append(f'<text x="{left - 8}" y="{y(rate) + 4:.1f}" text-anchor="end">{rate:g}</text>')
    for index, loss in enumerate(LOSSES):
        parts.append(f'<text x="{left + index * across:.1f}" y="{height - bottom + 20}" text-anchor="middle">{loss} %</text>')
    labels = []
    for (sender, receiver), colour in zip(engines(data, "path"), COLOURS):
        points = []
        for index, loss in enumerate(LOSSES):
            rates = Runs(data, "path", sender, receiver, loss=loss).values("rate")
            if rates and statistics.median(rates) > 0:
                points.append((left + index * across, y(statistics.median(rates) / 1e6)))
        line = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        parts.append(f'<polyline points="{line}" stroke="{colour}"/>')
        parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3.5" fill="{colour}"/>' for px, py in points]
        if points:
            labels.append([points[-1][1], shown(sender, receiver), colour])
    # Names stand at the ends of their lines, moved apart where those meet.
    labels.sort()
    for index, label in enumerate(labels):
        label[0] = max(label[0], labels[index - 1][0] + 17) if index else label[0]
    lowest = height - bottom
    for label in reversed(labels):
        label[0] = min(label[0], lowest)
        lowest = label[0] - 17
    for place, name, colour in labels:
        parts.append(f'<text x="{width - right + 12}" y="{place + 4:.1f}" fill="{colour}" class="name">{name}</text>')
    body = "\n".join(parts)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
 aria-label="Goodput of data channels in MB/s against loss, round trip 50 ms">
<style>
text {{ font: 13px sans-serif }}
text:not(.name) {{ fill: #24292f }}
.name {{ font-weight: 600 }}
.grid {{ stroke: #8888; stroke-width: 1 }}
polyline {{ fill: none; stroke-width: 2.5 }}
@media (prefers-color-scheme: dark) {{ text:not(.name) {{ fill: #d0d7de }} }}
</style>
<text x="{left}" y="20">MB/s by loss of each direction; round trip 50 ms, no rate limit, 256 KiB buffered at most</text>
{body}
</svg>
"""
