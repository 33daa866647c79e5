"""A cable in userspace between two namespaces that delays every packet and loses some UDP datagrams. Not a test.

Run as a process of its own, so that no other thread's work shows in the delay.
"""

import contextlib
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

from net import address

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
# What a router queues; more is dropped.
_QUEUE = 2000
_UDP = 17


@contextlib.contextmanager
def wire(client, worker, delay=0.0, loss=0.0, seed=1):
    """Joins client (10.0.1.2) and worker (10.0.1.3); `delay` in seconds and `loss` as a share hold for each way."""
    ends = []
    for number, namespace in enumerate((client, worker), 2):
        with namespace.entered():
            tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            ends.append(tun)
            fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH", b"eth0", _IFF_TUN | _IFF_NO_PI))
        address(namespace, "eth0", f"10.0.1.{number}/24")
    command = [sys.executable, "-B", __file__, *map(str, ends), str(delay), str(loss), str(seed)]
    process = subprocess.Popen(command, pass_fds=ends)
    try:
        yield
    finally:
        process.kill()
        process.wait(10)
        for tun in ends:
            os.close(tun)


def carry(ends, delay, loss, dice):
    """Packets read at one end are written at the other when they are due; order is kept."""
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    due, count = [], 0
    while True:
        wait = max(0.0, due[0][0] - time.monotonic()) if due else None
        for end in select.select(ends, [], [], wait)[0]:
            packet = os.read(end, 65536)
            lost = packet[0] >> 4 == 4 and packet[9] == _UDP and dice.random() < loss
            if not lost and len(due) < _QUEUE:
                count += 1
                heapq.heappush(due, (time.monotonic() + delay, count, other[end], packet))
        while due and due[0][0] <= time.monotonic():
            _, _, end, packet = heapq.heappop(due)
            with contextlib.suppress(BlockingIOError):
                os.write(end, packet)


if __name__ == "__main__":
    one, another, delay, loss, seed = sys.argv[1:]
    carry([int(one), int(another)], float(delay), float(loss), random.Random(int(seed)))
