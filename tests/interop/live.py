"""Pictures with a number in them, paced senders and small servers: what the live suites share. Nothing imitates the original."""

import contextlib
import http.server
import pathlib
import shutil
import subprocess
import threading
import time

import cv2
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
RTSP_SERVER = HERE.parent / "doubles" / "rtsp_server.py"
BITS = 16


def picture(number, width=640, height=480):
    """A BGR picture whose top band holds `number` as sixteen black or white squares."""
    side = width // BITS
    x = np.linspace(0, 255, width, dtype=np.uint8)
    frame = np.stack([np.tile(x, (height, 1)), np.tile(x[::-1], (height, 1)), np.full((height, width), 90, np.uint8)], -1)
    left = number * 7 % (width - 64)
    frame[height // 2 : height // 2 + 64, left : left + 64] = (40, 200, 90)
    for bit in range(BITS):
        frame[:side, bit * side : (bit + 1) * side] = 255 if number >> bit & 1 else 0
    return frame


def number_in(frame):
    """The number that `picture` wrote."""
    side = frame.shape[1] // BITS
    inner = slice(side // 4, 3 * side // 4)
    number = 0
    for bit in range(BITS):
        number |= int(frame[inner, bit * side : (bit + 1) * side][:, inner].mean() > 127) << bit
    return number


def paced(count, rate, each):
    """Calls `each(1)` … `each(count)`, `rate` times a second, as a camera delivers."""
    begin = time.perf_counter()
    for number in range(1, count + 1):
        wait = begin + (number - 1) / rate - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        each(number)


@contextlib.contextmanager
def rtsp_server(port, *options):
    """The GStreamer RTSP server with live test pictures."""
    process = subprocess.Popen(
        ["/usr/bin/python3", str(RTSP_SERVER), str(port), *options], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline().strip() == "ready"
        yield f"rtsp://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(timeout=10)
        process.stdout.close()


def _listens(port):
    """Whether somebody listens on this TCP port, without connecting to it."""
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines)


@contextlib.contextmanager
def rtmp_stream(port, clip):
    """One FFmpeg that waits for one reader and sends it the clip, over and over, at its own pace."""
    url = f"rtmp://127.0.0.1:{port}/live/camera"
    command = [shutil.which("ffmpeg"), "-v", "error", "-re", "-stream_loop", "-1", "-i", clip, "-an", "-c", "copy"]
    process = subprocess.Popen([*command, "-f", "flv", "-listen", "1", url])
    try:
        deadline = time.monotonic() + 20
        while not _listens(port):  # it takes one reader only: connecting to see would use it up
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        yield url
    finally:
        process.kill()
        process.wait(timeout=10)


class MjpegServer:
    """`multipart/x-mixed-replace` over HTTP on loopback; the pictures carry numbers."""

    def __init__(self, rate=30, width=640, height=480):
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()

                def send(number):
                    _, jpeg = cv2.imencode(".jpg", picture(number, width, height))
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg.tobytes() + b"\r\n")

                with contextlib.suppress(OSError):
                    paced(10_000, rate, send)
                server.left.set()

        self.left = threading.Event()
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/stream.mjpg"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()
