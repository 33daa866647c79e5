"""Network namespaces to put a client and a worker in, with a router between them that filters. Needs root. Not a test.

A namespace here has no name, only a file descriptor: parallel runs cannot collide, and it is gone with the last process in it.
"""

import contextlib
import ctypes
import os
import subprocess

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


def _checked(status):
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)}; network namespaces need root, `make test` sees to it")


class Namespace:
    """A network namespace with loopback up. What starts inside `entered()`, sockets, processes and threads, belongs to it."""

    def __init__(self):
        with _returning():
            _checked(_LIBC.unshare(_CLONE_NEWNET))
            self.fd = _current()
        self.run("ip link set lo up")

    @contextlib.contextmanager
    def entered(self):
        with _returning():
            _checked(_LIBC.setns(self.fd, _CLONE_NEWNET))
            yield self

    def run(self, command):
        """A command line without quoting, as `ip` and `nft` take it."""
        with self.entered():
            done = subprocess.run(command.split(), capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"

    def filter(self, hook, rule):
        """Drops or rejects what matches, silently for the sender when it is not this namespace itself."""
        self.run("nft add table inet path")
        self.run(f"nft add chain inet path {hook} {{ type filter hook {hook} priority 0 ; }}")
        self.run(f"nft add rule inet path {hook} {rule}")

    def close(self):
        os.close(self.fd)


def link(one, other, name, peer):
    """Joins two namespaces with a virtual cable, whose ends are `name` and `peer`.

    A datagram travels by itself there, as on a real one: batched ones (GSO) would be one packet to a filter.
    """
    one.run(f"ip link add {name} type veth peer name {peer} netns /proc/{os.getpid()}/fd/{other.fd}")
    one.run(f"ip link set {name} gso_max_segs 1")
    other.run(f"ip link set {peer} gso_max_segs 1")


def address(namespace, name, *addresses):
    """Gives an interface its addresses and sets it up; no duplicate address detection, which would take a second."""
    for each in addresses:
        namespace.run(f"ip addr add {each} dev {name}" + (" nodad" if ":" in each else ""))
    namespace.run(f"ip link set {name} up")


class Site:
    """client (10.0.1.2) - router - worker (10.0.2.2), and at the router a place for servers (10.0.3.2); or IPv6 alone: fd00:1::2 …"""

    PLACES = ("client", "worker", "servers")

    def __init__(self, ipv6=False):
        self.router = Namespace()
        self.client, self.worker, self.servers = (Namespace() for _ in self.PLACES)
        self.router.run("sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        for number, name in enumerate(self.PLACES, 1):
            place = getattr(self, name)
            link(self.router, place, name, "eth0")
            net, width = (f"fd00:{number}::", 64) if ipv6 else (f"10.0.{number}.", 24)
            address(self.router, name, f"{net}1/{width}")
            address(place, "eth0", f"{net}2/{width}")
            place.run(f"ip route add default via {net}1")

    def drop(self, rule):
        """Packets between the places that match are never heard of again."""
        self.router.filter("forward", f"{rule} drop")

    def close(self):
        for place in (self.router, self.client, self.worker, self.servers):
            place.close()


def _current():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextlib.contextmanager
def _returning():
    before = _current()
    try:
        yield
    finally:
        _checked(_LIBC.setns(before, _CLONE_NEWNET))
        os.close(before)
