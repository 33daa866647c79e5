"""A browser's data channels, driven by the same JSON lines as aiortc_peer.py: a page in headless Chromium. Not a test.

The page asks for commands and posts events over HTTP, which is the one thing every browser does without a driver.
usage: browser_peer.py [PATH OF CHROMIUM]
"""

import http.server
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import threading

PAGE = pathlib.Path(__file__).with_name("browser_peer.html")
OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns",
]  # fmt: skip
# How long the page waits for a command before it asks again.
POLL_SECONDS = 20


def handler(commands):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            if self.path == "/":
                return self.reply(PAGE.read_bytes(), "text/html")
            if self.path != "/commands":
                return self.reply(b"")  # an icon
            try:
                self.reply(commands.get(timeout=POLL_SECONDS))
            except queue.Empty:
                self.reply(b"null")

        def do_POST(self):
            line = self.rfile.read(int(self.headers["Content-Length"]))
            sys.stdout.buffer.write(line + b"\n")
            sys.stdout.buffer.flush()
            self.reply(b"null")

        def reply(self, body, kind="application/json"):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def main():
    commands = queue.Queue()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(commands))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    program = sys.argv[1] if len(sys.argv) > 1 else "chromium"
    profile = tempfile.mkdtemp()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    browser = subprocess.Popen(
        [program, *OPTIONS, f"--user-data-dir={profile}", url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for line in sys.stdin:
            commands.put(line.encode())
    finally:
        browser.kill()
        browser.wait(10)
        shutil.rmtree(profile, ignore_errors=True)


main()
