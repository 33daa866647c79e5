"""A path between a client and a worker that can be slow, lossy, narrow, dead or rebound: one process, userspace, seeded.

The client talks HTTP to the relay, which passes everything on and puts its own addresses in place of the candidates, so that
all datagrams of the one session take the way through it.
"""

import asyncio
import http.server
import json
import random
import re
import threading
import urllib.error
import urllib.request

CANDIDATE = re.compile(r"a=candidate:[^\r\n]*\r\n")
# What waits in front of a narrow link; more is dropped, as a router does.
QUEUE_SECONDS = 0.3


class Side(asyncio.DatagramProtocol):
    """One socket of the relay. `peer` is where it last heard from, which is where answers go."""

    def __init__(self, deliver):
        self.deliver = deliver
        self.peer = None
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, source):
        self.peer = source
        self.deliver(data)

    def send(self, data):
        if self.peer and not self.transport.is_closing():
            self.transport.sendto(data, self.peer)


class Relay:
    """`delay` in seconds each way, `loss` as a share each way, `rate` in bit/s each way; all may change while it runs."""

    def __init__(self, worker_url, seed=1, delay=0.0, loss=0.0, rate=None):
        self.worker_url, self.delay, self.loss, self.rate = worker_url, delay, loss, rate
        self.dead = False
        self.dropped = self.passed = 0
        self.random = random.Random(seed)
        self.seed = seed
        self.busy_until = [0.0, 0.0]
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.near = self._run(self._open(lambda data: self._pass(0, data)))
        self.far = self._run(self._open(lambda data: self._pass(1, data)))
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                self.reply(*relay._ask("GET", self.path, None))

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.reply(*relay._ask("POST", self.path, body))

            def reply(self, status, body):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def ports(self):
        """Of the sides that face the client and the worker."""
        return [side.transport.get_extra_info("sockname")[1] for side in (self.near, self.far)]

    def rebind(self):
        """What a NAT does that forgot: the client's datagrams reach the worker from another port."""
        old, worker = self.far, self.far.peer
        self.far = self._run(self._open(lambda data: self._pass(1, data)))
        self.far.peer = worker
        self.loop.call_soon_threadsafe(old.transport.close)

    def stop(self):
        self.http.shutdown()
        self.http.server_close()
        for side in (self.near, self.far):
            self.loop.call_soon_threadsafe(side.transport.close)
        self.loop.call_soon_threadsafe(self.loop.stop)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.stop()
        if failure[0]:
            print(f"relay seed {self.seed}, passed {self.passed}, dropped {self.dropped}")

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    async def _open(self, deliver):
        _, side = await self.loop.create_datagram_endpoint(lambda: Side(deliver), local_addr=("127.0.0.1", 0))
        return side

    def _pass(self, way, data):
        """On the loop: `way` 0 goes to the worker, 1 to the client."""
        if self.dead or self.random.random() < self.loss:
            self.dropped += 1
            return
        wait = self.delay
        if self.rate:
            now = self.loop.time()
            begin = max(now, self.busy_until[way])
            if begin - now > QUEUE_SECONDS:
                self.dropped += 1
                return
            self.busy_until[way] = begin + len(data) * 8 / self.rate
            wait += self.busy_until[way] - now
        self.passed += 1
        if wait:
            self.loop.call_later(wait, self._deliver, way, data)
        else:
            self._deliver(way, data)

    def _deliver(self, way, data):
        (self.far if way == 0 else self.near).send(data)

    def _ask(self, method, path, body):
        if path == "/initialise_webrtc_worker":
            request = json.loads(body)
            offer = request["webrtc_offer"]
            offer["sdp"] = self._through(offer["sdp"], self.far)
            body = json.dumps(request).encode()
        headers = {"Content-Type": "application/json"}
        call = urllib.request.Request(self.worker_url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(call, timeout=90) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        if path == "/initialise_webrtc_worker":
            answer = json.loads(text)
            self._learn(answer["sdp"])
            answer["sdp"] = self._through(answer["sdp"], self.near)
            text = json.dumps(answer).encode()
        return status, text

    def _learn(self, sdp):
        """The worker's address; the client's is learned from its first datagram."""
        for address, port in re.findall(r"a=candidate:\S+ 1 udp \d+ (127\.\S+) (\d+) typ host", sdp, re.I):
            self.far.peer = (address, int(port))

    @staticmethod
    def _through(sdp, side):
        host, port = side.transport.get_extra_info("sockname")
        line = f"a=candidate:1 1 udp 2130706431 {host} {port} typ host\r\n"
        first = CANDIDATE.search(sdp)
        assert first, "the description has no candidate"
        return sdp[: first.start()] + line + CANDIDATE.sub("", sdp[first.start() :])
