"""What the side-by-side benches share: running both sides, collecting figures, printing the table."""

import json
import os
import pathlib
import platform
import re
import signal
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
BINARY = ROOT / "target" / "release" / "framewire"
TICK = os.sysconf("SC_CLK_TCK")


def last_json(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    return json.loads(done.stdout.strip().splitlines()[-1])


def json_lines(*command):
    done = subprocess.run([str(BINARY), *command], stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    return {line["case"]: line["value"] for line in map(json.loads, done.stdout.splitlines())}


def python(script, *args):
    return [sys.executable, str(HERE / "original" / script), *map(str, args)]


class Figures:
    """Values of both sides by row; prints medians, spread and the ratio."""

    def __init__(self):
        self.rows = {}

    def add(self, row, unit, ours, original=None):
        _, left, right = self.rows.setdefault(row, (unit, [], []))
        left.append(ours)
        if original is not None:
            right.append(original)

    @staticmethod
    def cell(values):
        if not values:
            return "–"
        return f"{statistics.median(values):.3g} ({min(values):.3g}–{max(values):.3g})"

    def table(self):
        lines = ["| what | unit | framewire | original | ratio | n |", "|---|---|---|---|---|---|"]
        for row, (unit, ours, original) in self.rows.items():
            ratio = f"{statistics.median(ours) / statistics.median(original):.3g}" if original else "–"
            lines.append(f"| {row} | {unit} | {self.cell(ours)} | {self.cell(original)} | {ratio} | {len(ours)} |")
        return "\n".join(lines)


def children_cpu(root):
    """CPU seconds and peak RSS (MB) of the session processes below `root`, living ones."""
    parents, cpu = {}, {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = pathlib.Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(entry)] = int(fields[1])
        cpu[int(entry)] = (int(fields[11]) + int(fields[12])) / TICK
    return {pid: cpu[pid] for pid, parent in parents.items() if parent == root}


def peak_rss(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def machine():
    model = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text())[1]
    return f"{os.cpu_count()} x {model}, Linux {platform.release()}, Python {platform.python_version()}"


class OriginalWorker:
    """The original's worker behind its fork server."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(python("worker.py", port), stdout=subprocess.PIPE, text=True)
        # Its libraries print a line or two of their own first.
        assert any(line.strip() == "ready" for line in self.process.stdout)
        self.pid = self.process.pid

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


class OurWorker:
    """`framewire serve` in a process of its own."""

    def __init__(self):
        command = [str(BINARY), "serve", "--listen", "127.0.0.1:0", "--max-sessions", "64"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().split()[-1]
        self.pid = self.process.pid

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def stop(self):
        self.process.kill()
        self.process.wait(10)
