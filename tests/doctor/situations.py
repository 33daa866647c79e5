"""What can be in the way of a connection, each as a context that gives the place of the client. Not a test."""

import asyncio
import contextlib
import json

import program
import servers
from aioice.turn import create_turn_endpoint as turn_endpoint
from net import Namespace, Site, address, link
from program import Place
from turn import PASSWORD, USER, turn_server
from wire import wire


def ice(*urls, username=None, credential=None):
    """The option for these STUN and TURN servers."""
    server = {"urls": list(urls)} | ({"username": username, "credential": credential} if username else {})
    return ["--ice-servers", json.dumps({"iceServers": [server] if urls else []})]


@contextlib.contextmanager
def here():
    """One machine: client and server in the same namespace, loopback alone."""
    with contextlib.closing(Namespace()) as namespace:
        yield namespace


@contextlib.contextmanager
def at_site(ipv6=False, *options):
    """A site with a worker, and the client's place in it."""
    with contextlib.closing(Site(ipv6)) as site:
        listen = "[fd00:2::2]:9001" if ipv6 else "10.0.2.2:9001"
        with program.worker(site.worker, listen, *options) as (url, _):
            yield site, Place(site.client, url, ice())


def http_answer(status, content_type="application/json", body=b'{"message": "no"}', options=()):
    @contextlib.contextmanager
    def situation(folder):
        with here() as namespace, namespace.entered(), servers.answering(status, content_type, body) as port:
            yield Place(namespace, f"http://127.0.0.1:{port}", [*ice(), *options])

    return situation


def tls(name, trusted):
    @contextlib.contextmanager
    def situation(folder):
        files = servers.certificate(folder, name)
        with here() as namespace, namespace.entered(), servers.answering(200, certificate=files) as port:
            environment = {"SSL_CERT_FILE": str(files[0])} if trusted else {}
            yield Place(namespace, f"https://127.0.0.1:{port}", ice(), environment)

    return situation


@contextlib.contextmanager
def healthy(folder):
    with at_site() as (_, place):
        yield place


@contextlib.contextmanager
def name_not_found(folder):
    with here() as namespace:  # no name server is in there either
        yield Place(namespace, "http://worker.invalid:9001", ice())


@contextlib.contextmanager
def port_closed(folder):
    with here() as namespace:  # nothing else is in there
        yield Place(namespace, "http://127.0.0.1:9001", ice())


@contextlib.contextmanager
def port_silent(folder):
    with here() as namespace, namespace.entered(), servers.silent() as port:
        yield Place(namespace, f"http://127.0.0.1:{port}", ice())


@contextlib.contextmanager
def port_filtered(folder):
    with contextlib.closing(Site()) as site:
        site.drop("tcp dport 9001")
        yield Place(site.client, "http://10.0.2.2:9001", ice())


def filtered(*rules, ipv6=False, options=None):
    """A site where what matches a rule is dropped on the way."""

    @contextlib.contextmanager
    def situation(folder):
        with at_site(ipv6) as (site, place):
            for rule in rules:
                site.drop(rule)
            place.options = options or place.options
            yield place

    return situation


def with_turn(transport, *rules, password=PASSWORD, quota=0, relay_only=False):
    """A site with a TURN server, where what matches a rule is dropped on the way. A quota is used up."""

    @contextlib.contextmanager
    def situation(folder):
        with at_site() as (site, place), site.servers.entered():
            with turn_server(folder, "10.0.3.2", quota) as server, allocated(server.address, quota):
                for rule in rules:
                    site.drop(rule)
                place.options = ice(server.urls[transport], username=USER, credential=password)
                place.options += ["--relay-only"] if relay_only else []
                yield place

    return situation


class Held(asyncio.DatagramProtocol):
    """A relayed address."""

    def __init__(self):
        self.released = asyncio.get_running_loop().create_future()

    def connection_lost(self, _):
        self.released.set_result(None)

    async def release(self, transport):
        transport.close()
        await asyncio.wait_for(self.released, 10)


@contextlib.contextmanager
def allocated(server, count):
    """Holds so many relayed addresses of a TURN server."""
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        held = [loop.run_until_complete(turn_endpoint(Held, server, USER, PASSWORD)) for _ in range(count)]
        try:
            yield
        finally:
            for transport, protocol in held:
                loop.run_until_complete(protocol.release(transport))


@contextlib.contextmanager
def candidates_unreachable(folder):
    """The worker in a container whose HTTP port alone is published: its own address means nothing to the client."""
    with at_site() as (site, place):
        site.router.run("nft add table ip publish")
        site.router.run("nft add chain ip publish in { type nat hook prerouting priority dstnat ; }")
        site.router.run("nft add rule ip publish in ip daddr 10.0.1.1 tcp dport 9001 dnat to 10.0.2.2:9001")
        site.drop("meta l4proto udp ip saddr 10.0.2.2")
        site.client.run("ip route del default")
        place.url = "http://10.0.1.1:9001"
        yield place


@contextlib.contextmanager
def media_port_closed(folder):
    """A firewall that says so."""
    with at_site() as (site, place):
        site.router.filter("forward", "meta l4proto udp reject")
        yield place


@contextlib.contextmanager
def other_family(folder):
    """HTTP over IPv4, but the worker's media at an interface that has IPv6 alone."""
    with contextlib.closing(Site()) as site:
        link(site.router, site.worker, "six", "six")
        address(site.worker, "six", "fd00:6::2/64")
        address(site.router, "six", "fd00:6::1/64")
        with program.worker(site.worker, "10.0.2.2:9001", "--interface", "six") as (url, _):
            yield Place(site.client, url, ice())


@contextlib.contextmanager
def stalled_worker(folder):
    with here() as namespace, namespace.entered(), program.worker(namespace, "127.0.0.1:0") as (url, process):
        with servers.stopping_after_the_answer(url, process) as port:
            yield Place(namespace, f"http://127.0.0.1:{port}", ice())


def over_wire(**path):
    """Client and worker joined by a slow or lossy cable."""

    @contextlib.contextmanager
    def situation(folder):
        with contextlib.ExitStack() as stack:
            client, worker = (stack.enter_context(contextlib.closing(Namespace())) for _ in range(2))
            stack.enter_context(wire(client, worker, **path))
            url, _ = stack.enter_context(program.worker(worker, "10.0.1.3:9001"))
            yield Place(client, url, ice())

    return situation


UDP_OF_THE_CLIENT = "meta l4proto udp iifname client"
UDP_TO_THE_CLIENT = "meta l4proto udp oifname client"
DTLS = "meta l4proto udp @th,64,8 20-63"
VIDEO = "meta l4proto udp @th,64,8 128-191"
APPLICATION_DATA = "meta l4proto udp @th,64,8 23"
STUN = ice("stun:10.0.3.2:3478")
NOBODY = ice("stun:10.0.3.9:3478")

# What keeps a session from coming about.
BROKEN = {
    "name_not_found": name_not_found,
    "port_closed": port_closed,
    "port_silent": port_silent,
    "port_filtered": port_filtered,
    "http_401": http_answer(401, body=b'{"message": "unauthorized"}'),
    "http_401_with_key": http_answer(401, body=b'{"message": "unauthorized"}', options=("--api-key", "wrong")),
    "http_404": http_answer(404, body=b'{"detail": "Not Found"}'),
    "http_502": http_answer(502, "text/html", b"<html><h1>502 Bad Gateway</h1></html>"),
    "wrong_content_type": http_answer(200, "text/html", b"<html><h1>Welcome</h1></html>"),
    "tls_name_mismatch": tls("DNS:other.example", trusted=True),
    "tls_unknown_issuer": tls("IP:127.0.0.1", trusted=False),
    "udp_blocked": with_turn("stun", UDP_OF_THE_CLIENT, UDP_TO_THE_CLIENT),
    "turn_wrong_password": with_turn("udp", password="wrong", relay_only=True),
    "turn_quota": with_turn("udp", quota=1, relay_only=True),
    "candidates_unreachable": candidates_unreachable,
    "other_family": other_family,
    "media_port_closed": media_port_closed,
    "dtls_blocked": filtered(DTLS),
    "data_channel_blocked": filtered(APPLICATION_DATA),
    "video_blocked": filtered(VIDEO),
    "worker_stalled": stalled_worker,
}
# What a session overcomes.
WORKING = {
    "healthy": healthy,
    "udp_blocked_with_turn_tcp": with_turn("tcp", UDP_OF_THE_CLIENT, UDP_TO_THE_CLIENT),
    "stun_dead": filtered("ip daddr 10.0.3.9", options=NOBODY),
    "only_ipv6": filtered(ipv6=True),
    "mtu_black_hole": filtered("meta l4proto udp meta length > 1200"),
    "rtt_300_ms": over_wire(delay=0.15),
    "loss_20_percent": over_wire(loss=0.2),
}
SITUATIONS = BROKEN | WORKING
