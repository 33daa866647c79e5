"""framewire beside the original, interleaved, on this machine; writes benches/RESULTS.md. usage: run.py [ROUNDS]

Runs in the venv of the original (`make bench`). Each round measures both, so that a change of the machine's speed falls on
both. Quote the ratios.
"""

import json
import os
import pathlib
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
BINARY = ROOT / "target" / "release" / "framewire"
CLIP = ROOT / "assets" / "bench" / "v_1280x720.mp4"
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
UPLOAD_MB = 268
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


def original_frames(worker):
    """One session of the original client with the original worker; its session process is sampled while it lives."""
    client = subprocess.Popen(
        python("frames.py", "http://127.0.0.1:19002", CLIP, 1280, 720), stdout=subprocess.PIPE, text=True
    )
    used, rss = 0.0, 0.0
    while client.poll() is None:
        for pid, cpu in children_cpu(worker.pid).items():
            try:
                used, rss = max(used, cpu), max(rss, peak_rss(pid))
            except (OSError, TypeError):
                pass
        time.sleep(0.02)
    result = json.loads(client.stdout.read().strip().splitlines()[-1])
    assert result["frames"] == 300, result
    return {**result, "worker_cpu_seconds": used, "worker_rss_mb": rss}


def machine():
    model = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text())[1]
    return f"{os.cpu_count()} x {model}, Linux {platform.release()}, Python {platform.python_version()}"


def main():
    figures = Figures()
    worker = subprocess.Popen(python("worker.py", 19002), stdout=subprocess.PIPE, text=True)
    # Its libraries print a line or two of their own first.
    assert any(line.strip() == "ready" for line in worker.stdout)
    with tempfile.NamedTemporaryFile(dir=ROOT / "out" if (ROOT / "out").is_dir() else None) as blob:
        block = os.urandom(1_000_000)
        for _ in range(UPLOAD_MB):
            blob.write(block)
        blob.flush()
        try:
            original_frames(worker)  # warm-up: first session pays for lazy imports
            for number in range(ROUNDS):
                print(f"round {number + 1} of {ROUNDS}", flush=True)
                ours = json_lines("bench", "reassembler", "-n", "1")
                lines = subprocess.run(python("reassembler.py", 1), stdout=subprocess.PIPE, text=True, check=True).stdout
                theirs = {line["case"]: line["value"] for line in map(json.loads, lines.splitlines())}
                for case in ours:
                    figures.add(f"reassembler, {case}", "MB/s", ours[case], theirs[case])

                ours = json_lines("bench", "upload", "--megabytes", str(UPLOAD_MB), "-n", "1")
                theirs = last_json(python("upload.py", blob.name))
                figures.add(f"upload {UPLOAD_MB} MB, loopback", "MB/s", ours["rate"], theirs["mb_per_s"])
                for key in ("sender_cpu_s_per_gb", "receiver_cpu_s_per_gb"):
                    figures.add(f"upload, {key.split('_')[0]}'s CPU", "s/GB", ours[key], theirs[key])
                for key in ("sender_rss_mb", "receiver_rss_mb"):
                    figures.add(f"upload, {key.split('_')[0]}'s peak RSS", "MiB", ours[key], theirs[key])

                ours = json_lines("bench", "frames", str(CLIP), "-n", "1")
                theirs = original_frames(worker)
                figures.add("job 720p full frame, 300 frames", "frames/s", ours["fps"], theirs["fps"])
                both = theirs["cpu_seconds"] + theirs["worker_cpu_seconds"]
                figures.add("job, CPU of client + worker", "s", ours["client_cpu_seconds"] + ours["worker_cpu_seconds"], both)
                figures.add("job, end of upload to first frame", "s", ours["upload_to_first_frame_s"], theirs["upload_to_first_frame_s"])
                figures.add("job, client's peak RSS", "MiB", ours["client_rss_mb"], theirs["rss_mb"])
                figures.add("job, worker's peak RSS (model loaded)", "MiB", ours["worker_rss_mb"], theirs["worker_rss_mb"])
                figures.add("`serve` start to ready, models loaded", "s", ours["serve_ready_s"])
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(10)

    text = f"""# Results

Machine: {machine()}. Command: `make bench` (`benches/run.py {ROUNDS}`), rounds interleaved. Cells: median (min–max).
The original is inference-sdk and inference-cpu 1.8.3; its worker runs behind a fork server that has paid the imports once (as
shipped, a session answers after about 20 s). The original's client CPU is counted from first to last frame without imports;
framewire's is the whole session.

{figures.table()}
"""
    (HERE / "RESULTS.md").write_text(text)
    print(text)


main()
