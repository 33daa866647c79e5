"""The Python package beside the original's, interleaved, on this machine; writes benches/PYTHON.md. usage: python.py [ROUNDS]

Runs in the venv of the original with our wheel installed into it (`make bench-python`). Both clients run the very same program
(`original/frames.py`) against the same worker of ours; both also against the original's worker.
"""

import statistics
import sys
import timeit

from figures import HERE, ROOT, Figures, OriginalWorker, OurWorker, last_json, machine, python
from framewire import _core

CLIP = ROOT / "assets" / "bench" / "v_1280x720.mp4"
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5


def session(worker, package):
    result = last_json(python("frames.py", worker.url, CLIP, 1280, 720, package))
    result["fps_per_cpu_second"] = result["fps"] / result["cpu_seconds"]
    return result


def hand_over(rounds=2000):
    """Microseconds to make an array of one 720p frame that lies in a buffer of the session; nothing is copied."""
    return 1e6 * statistics.median(getattr(_core, "__TestFrames")().time(1280, 720, rounds))


def import_seconds(package):
    statement = f"import subprocess, sys; subprocess.run([sys.executable, '-c', 'import {package}.webrtc'], check=True)"
    return timeit.timeit(statement, number=1)


def main():
    figures = Figures()
    original, ours = OriginalWorker(19002), OurWorker()
    try:
        for package in ("inference_sdk", "framewire"):
            session(original, package)  # warm-up: first sessions pay for lazy imports
        for number in range(ROUNDS):
            print(f"round {number + 1} of {ROUNDS}", flush=True)
            for name, worker in (("our worker", ours), ("the original's worker", original)):
                left, right = session(worker, "framewire"), session(worker, "inference_sdk")
                figures.add(f"{name}: 720p frames", "frames/s", left["fps"], right["fps"])
                figures.add(f"{name}: client CPU for 299 frames", "s", left["cpu_seconds"], right["cpu_seconds"])
                figures.add(
                    f"{name}: fps per CPU second of the client", "1/s", left["fps_per_cpu_second"], right["fps_per_cpu_second"]
                )
                figures.add(f"{name}: frames delivered of 300", "", left["frames"], right["frames"])
                figures.add(f"{name}: client's peak RSS", "MiB", left["rss_mb"], right["rss_mb"])
            figures.add("import", "s", import_seconds("framewire"), import_seconds("inference_sdk"))
            figures.add("one 720p frame handed to Python", "µs", hand_over())
    finally:
        ours.stop()
        original.stop()

    text = f"""# The Python package

Machine: {machine()}. Command: `make bench-python` (`benches/python.py {ROUNDS}`), rounds interleaved. Cells: median (min–max).
The same program runs with both packages; only the name of the package differs. CPU is the client's process from the first to
the last frame, without imports and upload.

{figures.table()}
"""
    (HERE / "PYTHON.md").write_text(text)
    print(text)


main()
