"""HTTP servers that answer wrongly, or not at all, and a way to a worker that stops it after its answer. Not a test.

Each belongs to the network namespace it is made in.
"""

import contextlib
import http.server
import os
import signal
import socket
import ssl
import subprocess
import threading
import urllib.request


@contextlib.contextmanager
def answering(status, content_type="application/json", body=b'{"message": "no"}', certificate=None):
    """A server that says the same to everyone; its port. With a certificate it speaks TLS."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

        def log_message(self, *_):
            pass

    with _serving(Handler, certificate) as port:
        yield port


@contextlib.contextmanager
def silent():
    """A port that completes the TCP handshake, as the kernel does by itself, and never reads; its number."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@contextlib.contextmanager
def stopping_after_the_answer(url, process):
    """A way to a worker that passes everything on, and stops the worker's process once it has answered an offer; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
            request = urllib.request.Request(url + self.path, body, {"Content-Type": "application/json"}, method=self.command)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    status, text = answer.status, answer.read()
            except OSError:  # the client went first
                return
            if self.command == "POST":
                process.send_signal(signal.SIGSTOP)
                # Each of its threads stops when it is its turn; only then it is sure that nothing more happens.
                os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = pass_on

        def log_message(self, *_):
            pass

    with _serving(Handler) as port:
        try:
            yield port
        finally:
            process.send_signal(signal.SIGCONT)


def certificate(folder, *names):
    """Makes a certificate that vouches for itself; the files of the certificate and of its key. `names` as in DNS:a, IP:b."""
    files = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(files[1]), "-out", str(files[0])]
    command += ["-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=" + ",".join(names)]
    subprocess.run([*command, "-addext", "basicConstraints=critical,CA:FALSE"], check=True, capture_output=True)
    return files


@contextlib.contextmanager
def _serving(handler, files=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # a client that hangs up is what some situations are about
    if files:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        # The handshake is the business of each connection's thread.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
