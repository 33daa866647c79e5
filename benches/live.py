"""Live video beside the original, interleaved, on this machine; writes benches/LIVE.md. usage: live.py [ROUNDS]

Runs in the venv of the original (`make bench-live`). Each round measures both sides, and each side's client with the other's
worker. Pictures carry numbers; latency is from the push of a picture to the handler's call with the same number.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

from figures import HERE, Figures, OriginalWorker, OurWorker, children_cpu, json_lines, machine, peak_rss, python

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
FRAMES = 300
sys.path.insert(0, str(HERE.parent / "tests" / "interop"))
from relay import Relay  # noqa: E402


def original_client(worker, width, height, gate=None):
    """The original's client with any worker; the CPU of an original worker's session process is sampled while it lives."""
    command = python("live.py", worker.url, width, height, FRAMES, *([gate] if gate else []))
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def sampled(client, worker):
    """Waits for the client; its figures with the CPU and memory of the worker's side."""
    ours = isinstance(worker, OurWorker)
    begin = worker.cpu() if ours else 0
    begun = time.perf_counter()
    used = rss = 0.0
    while client.poll() is None:
        if not ours:
            for pid, cpu in children_cpu(worker.pid).items():
                try:
                    used, rss = max(used, cpu), max(rss, peak_rss(pid))
                except (OSError, TypeError):
                    pass
        time.sleep(0.05)
    if ours:
        used, rss = worker.cpu() - begin, peak_rss(worker.pid)
    seconds = min(time.perf_counter() - begun, FRAMES / 30 + 1.5)
    result = json.loads(client.stdout.read().strip().splitlines()[-1])
    return {**result, "worker_cpu_per_10_s": used / seconds * 10, "worker_rss_mb": rss}


def our_client(shape, *options):
    return json_lines("bench", "live", "--shape", shape, "--frames", str(FRAMES), "-n", "1", *options)


def original_sessions(worker, count):
    """So many sessions of the original at once; every client's figures."""
    with tempfile.TemporaryDirectory() as folder:
        gate = pathlib.Path(folder) / "go"
        clients = [original_client(worker, 640, 480, gate) for _ in range(count)]
        for client in clients:
            assert client.stdout.readline().strip() == "ready"
        gate.touch()
        return [json.loads(client.communicate(timeout=120)[0].strip().splitlines()[-1]) for client in clients]


def main():
    figures = Figures()
    original = OriginalWorker(19002)
    ours = OurWorker()
    try:
        original_client(original, 640, 480).wait(120)  # warm-up
        for number in range(ROUNDS):
            print(f"round {number + 1} of {ROUNDS}", flush=True)
            for name, width, height in (("480p", 640, 480), ("720p", 1280, 720)):
                us = our_client(f"{width}x{height}@30")
                them = sampled(original_client(original, width, height), original)
                for key, unit in (("p50", "ms"), ("p95", "ms")):
                    figures.add(f"live {name}, {key}", unit, us[key], them[f"{key}_ms"])
                figures.add(f"live {name}, frames of {FRAMES}", "frames", us["frames"], them["frames"])
                figures.add(f"live {name}, client's CPU in 10 s", "s", us["client_cpu_per_10_s"], them["cpu_per_10_s"])
                figures.add(f"live {name}, worker's CPU in 10 s", "s", us["worker_cpu_per_10_s"], them["worker_cpu_per_10_s"])
                figures.add(f"live {name}, client's peak RSS", "MiB", us["client_rss"], them["rss_mb"])
                figures.add(f"live {name}, worker's peak RSS", "MiB", us["worker_rss"], them["worker_rss_mb"])
            figures.add("connect on loopback", "ms", us["connect"], them["connect_ms"])

            mixed = our_client("640x480@30", "--api-url", original.url)
            figures.add("our client, original worker, 480p, p50", "ms", mixed["p50"])
            figures.add("our client, original worker, 480p, frames", "frames", mixed["frames"])
            theirs = sampled(original_client(ours, 640, 480), ours)
            own = sampled(original_client(original, 640, 480), original)
            for key, unit in (("p50_ms", "ms"), ("p95_ms", "ms"), ("frames", "frames"), ("worker_cpu_per_10_s", "s")):
                figures.add(f"original client with our worker (beside its own), 480p, {key}", unit, theirs[key], own[key])

            with Relay(ours.url, seed=number + 1, delay=0.02, loss=0.05) as relay:
                lossy = our_client("640x480@30", "--api-url", relay.url)
            figures.add("5 % loss, RTT 40 ms, 480p, p95 age", "ms", lossy["p95"])
            figures.add("5 % loss, RTT 40 ms, 480p, longest gap", "ms", lossy["longest_gap"])
        print("sessions", flush=True)
        sessions = json_lines("bench", "sessions", "--frames", str(FRAMES))
        figures.add("sessions at 480p with p95 under 100 ms", "sessions", sessions["carried"])
        figures.add("worker's RSS for one more session", "MiB", sessions["worker_rss_per_session"])
        rows = []
        for count in (1, 2, 4, 6):
            results = original_sessions(original, count)
            latencies = [result["p95_ms"] for result in results if result["p95_ms"] is not None]
            worst = f"{max(latencies):.0f}" if latencies else "–"
            rows.append(f"| {count} | {worst} | {min(result['frames'] for result in results)} |")
    finally:
        original.stop()
        ours.stop()

    text = f"""# Live video

Machine: {machine()}. Command: `make bench-live` (`benches/live.py {ROUNDS}`), rounds interleaved. Cells: median (min–max).
Passthrough workflow, numbered pictures pushed at 30 a second, {FRAMES} a session. The original is inference-sdk and inference-cpu
1.8.3; its worker runs behind a fork server that has paid the imports once. Its source holds ten frames back, which is where most
of its latency stands; frames it never sends cost it no CPU, so compare CPU for each frame that came back. framewire's first connect
in a process includes the start-up of its cryptography.

{figures.table()}

Sessions of the original at once (its client never shows a p95 under 100 ms here, not even alone):

| sessions | worst p95, ms | fewest frames of {FRAMES} |
|---|---|---|
{chr(10).join(rows)}
"""
    (HERE / "LIVE.md").write_text(text)
    print(text)


main()
