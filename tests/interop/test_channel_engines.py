"""Our data channels with other engines' over whole processes: both roles, echo, order, loss, unreliable channels, id reuse, ends.

CHANNEL_ENGINES names other engines than these three, for runs by hand.
"""

import os
import zlib

import pytest
from channel_peers import Peer, connect
from relay import Relay

US = "framewire"
ENGINES = os.environ.get("CHANNEL_ENGINES", "aiortc libdatachannel chromium").split()
# Around the user data of a packet, and the largest message that is sure to be taken: aiortc announces 64 KiB.
SIZES = [1, 2, 3, 4, 1131, 1132, 1133, 2264, 16384, 65535, 65536]
LARGE = [65537, 131072, 262144]


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


@pytest.fixture(params=["we offer", "they offer"])
def pair(request, engine):
    """(ours, theirs), connected with one channel."""
    with Peer(US) as ours, Peer(engine) as theirs:
        both = (ours, theirs) if request.param == "we offer" else (theirs, ours)
        connect(*both, ["one"])
        yield ours, theirs


@pytest.fixture
def path():
    """Makes a path with loss between two peers."""
    relays = []

    def make(loss, seed=1):
        relays.append(Relay("http://nobody.invalid", seed=seed, delay=0.005, loss=loss))
        return relays[-1], relays[-1].ports()

    yield make
    for relay in relays:
        relay.stop()


def filled(size):
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def numbered(index, size):
    return index.to_bytes(4, "little") + bytes([index % 256]) * (size - 4)


def echoed(asking, answering, sizes):
    answering.tell("echo")
    answering.until("ready")
    for size in sizes:
        asking.tell("send", channel="one", size=size)
        back = asking.until("message", 20, channel="one")
        assert (back["size"], back["sum"]) == (size, zlib.adler32(filled(size)))
    asking.tell("send", channel="one", text="\u2713 text")
    assert asking.until("message", 20, channel="one")["text"] == "\u2713 text"


def in_order(sending, receiving, count, size=49_160, label="one", timeout=60):
    """Messages that tell their index arrive whole, once, in order."""
    sending.tell("bulk", channel=label, size=size, count=count)
    for index in range(count):
        got = receiving.until("message", timeout, channel=label)
        assert (got["size"], got["sum"]) == (size, zlib.adler32(numbered(index, size))), f"message {index}"


def test_what_we_send_comes_back(pair):
    ours, theirs = pair
    echoed(ours, theirs, SIZES)


def test_what_they_send_goes_back(pair):
    ours, theirs = pair
    echoed(theirs, ours, SIZES + LARGE)


def test_bulk_both_ways_at_once_arrives_in_order(pair):
    ours, theirs = pair
    for peer in pair:
        peer.tell("bulk", channel="one", size=49_160, count=60)
    for peer in pair:
        for index in range(60):
            got = peer.until("message", 60, channel="one")
            assert (got["size"], got["sum"]) == (49_160, zlib.adler32(numbered(index, 49_160))), f"message {index}"


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.05])
def test_order_and_content_hold_under_loss(engine, path, loss):
    relay, lane = path(loss)
    with Peer(US) as ours, Peer(engine) as theirs:
        connect(ours, theirs, ["one"], lane)
        in_order(ours, theirs, 40)
        in_order(theirs, ours, 10)
    assert relay.passed > 400
    assert (relay.dropped > 0) == (loss > 0)


def test_an_unreliable_channel_loses_messages_and_a_reliable_one_beside_it_does_not(engine, path):
    _, lane = path(0.05, seed=3)
    with Peer(US) as ours, Peer(engine) as theirs:
        connect(ours, theirs, ["one"], lane)
        ours.tell("open", label="fresh", ordered=False, retransmits=0)
        for peer in (ours, theirs):
            peer.until("open", 20, channel="fresh")
        ours.tell("bulk", channel="fresh", size=900, count=400)
        in_order(ours, theirs, 20)
        # Everything of the reliable channel is there, so what has not come by now was given up or is at the very end.
        ours.tell("close_channel", channel="fresh")
        theirs.until("channel_closed", 30, channel="fresh")
        fresh = [event["sum"] for event in theirs.passed if event["event"] == "message" and event["channel"] == "fresh"]
        sums = {zlib.adler32(numbered(index, 900)) for index in range(400)}
        assert set(fresh) <= sums and len(set(fresh)) == len(fresh)
        assert 100 <= len(fresh) < 400


@pytest.mark.parametrize("closer", ["we close", "they close"])
def test_closed_ids_are_used_again(engine, closer):
    with Peer(US) as ours, Peer(engine) as theirs:
        connect(ours, theirs, ["one"])
        closing, other = (ours, theirs) if closer == "we close" else (theirs, ours)
        for number in range(30):
            label = f"number {number}"
            ours.tell("open", label=label)
            for peer in (ours, theirs):
                peer.until("open", 20, channel=label)
            for sending, receiving in ((ours, theirs), (theirs, ours)):
                sending.tell("send", channel=label, size=3000)
                got = receiving.until("message", 20, channel=label)
                assert got["sum"] == zlib.adler32(filled(3000))
            closing.tell("close_channel", channel=label)
            other.until("channel_closed", 20, channel=label)
            closing.until("channel_closed", 20, channel=label)
        in_order(ours, theirs, 5)


def test_the_end_is_told_by_either_side(pair):
    ours, theirs = pair
    ours.tell("close")
    while theirs.until("state", 30)["state"] not in ("closed", "failed", "disconnected"):
        pass


def test_their_end_is_noticed(pair):
    ours, theirs = pair
    theirs.tell("close")
    assert ours.until("state", 30, state="closed")["reason"]
