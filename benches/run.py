"""framewire beside the original, interleaved, on this machine; writes benches/RESULTS.md. usage: run.py [ROUNDS]

Runs in the venv of the original (`make bench`). Each round measures both, so that a change of the machine's speed falls on
both. Quote the ratios.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

from figures import HERE, ROOT, Figures, OriginalWorker, children_cpu, json_lines, last_json, machine, peak_rss, python

CLIP = ROOT / "assets" / "bench" / "v_1280x720.mp4"
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
UPLOAD_MB = 268


def original_frames(worker):
    """One session of the original client with the original worker; its session process is sampled while it lives."""
    client = subprocess.Popen(
        python("frames.py", worker.url, CLIP, 1280, 720), stdout=subprocess.PIPE, text=True
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


def main():
    figures = Figures()
    worker = OriginalWorker(19002)
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
            worker.stop()

    text = f"""# Results

Machine: {machine()}. Command: `make bench` (`benches/run.py {ROUNDS}`), rounds interleaved. Cells: median (min–max).
The original is inference-sdk and inference-cpu 1.8.3; its worker runs behind a fork server that has paid the imports once (as
shipped, a session answers after about 20 s). The original's client CPU is counted from first to last frame without imports;
framewire's is the whole session. Data channels beside other engines: [CHANNEL.md](CHANNEL.md).

{figures.table()}
"""
    (HERE / "RESULTS.md").write_text(text)
    print(text)


main()
