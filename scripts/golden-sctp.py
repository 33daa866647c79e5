#!/usr/bin/env python3
"""Golden SCTP packets in lines "name | hex of the packet | its chunks in words".

    golden-sctp.py make crates/sctp/tests/golden/aiortc.txt    writes packets that aiortc's own serializer makes
    golden-sctp.py check crates/sctp/tests/golden/framewire.txt    reads packets of ours with aiortc's parser

Needs the interop environment. The words come from aiortc's objects, never from our code.
"""
import argparse
import pathlib

import aiortc
from aiortc import rtcsctptransport as sctp

TAG = 0xDEADBEEF
MAX = 0xFFFFFFFF


def params(pairs):
    return ",".join(f"{kind}:{bytes(value).hex()}" for kind, value in pairs)


def describe(chunk):
    """One chunk in words."""
    match chunk:
        case sctp.DataChunk():
            flags = "".join(name for bit, name in ((8, "i"), (4, "u"), (2, "b"), (1, "e")) if chunk.flags & bit)
            return (
                f"DATA tsn={chunk.tsn} stream={chunk.stream_id} ssn={chunk.stream_seq} ppi={chunk.protocol}"
                f" flags={flags} payload={chunk.user_data.hex()}"
            )
        case sctp.BaseInitChunk():
            name = "INIT" if isinstance(chunk, sctp.InitChunk) else "INIT-ACK"
            kinds = dict(chunk.params)
            extensions = kinds.get(0x8008, b"")
            words = (
                f"{name} tag={chunk.initiate_tag} window={chunk.advertised_rwnd} out={chunk.outbound_streams}"
                f" in={chunk.inbound_streams} tsn={chunk.initial_tsn}"
                f" forward={int(0xC000 in kinds or 192 in extensions)} reconfig={int(130 in extensions)}"
            )
            return words + (f" cookie={kinds[7].hex()}" if name == "INIT-ACK" else "")
        case sctp.SackChunk():
            gaps = ",".join(f"{first}-{last}" for first, last in chunk.gaps)
            duplicates = ",".join(str(tsn) for tsn in chunk.duplicates)
            return (
                f"SACK tsn={chunk.cumulative_tsn} window={chunk.advertised_rwnd} gaps={gaps} duplicates={duplicates}"
            )
        case sctp.HeartbeatChunk():
            return f"HEARTBEAT {params(chunk.params)}"
        case sctp.HeartbeatAckChunk():
            return f"HEARTBEAT-ACK {params(chunk.params)}"
        case sctp.AbortChunk():
            return f"ABORT flags={chunk.flags} {params(chunk.params)}"
        case sctp.ErrorChunk():
            return f"ERROR {params(chunk.params)}"
        case sctp.ShutdownChunk():
            return f"SHUTDOWN tsn={chunk.cumulative_tsn}"
        case sctp.ShutdownAckChunk():
            return "SHUTDOWN-ACK"
        case sctp.ShutdownCompleteChunk():
            return f"SHUTDOWN-COMPLETE flags={chunk.flags}"
        case sctp.CookieEchoChunk():
            return f"COOKIE-ECHO {chunk.body.hex()}"
        case sctp.CookieAckChunk():
            return "COOKIE-ACK"
        case sctp.ForwardTsnChunk():
            streams = ",".join(f"{stream}:{ssn}" for stream, ssn in chunk.streams)
            return f"FORWARD-TSN tsn={chunk.cumulative_tsn} streams={streams}"
        case sctp.ReconfigChunk():
            return "RECONFIG " + " ".join(reconfig(kind, value) for kind, value in chunk.params)
    raise SystemExit(f"no words for {chunk}")


def reconfig(kind, value):
    match kind:
        case 13:
            reset = sctp.StreamResetOutgoingParam.parse(value)
            streams = ",".join(map(str, reset.streams))
            return (
                f"reset={reset.request_sequence} answers={reset.response_sequence} last={reset.last_tsn}"
                f" streams={streams}"
            )
        case 16:
            answer = sctp.StreamResetResponseParam.parse(value)
            return f"answer={answer.response_sequence} result={answer.result}"
        case 17:
            return f"add={sctp.StreamAddOutgoingParam.parse(value).request_sequence}"
    raise SystemExit(f"no words for the parameter {kind}")


def data(tsn, payload, flags=3, stream=1, ssn=0, ppi=53):
    chunk = sctp.DataChunk(flags=flags)
    chunk.tsn, chunk.stream_id, chunk.stream_seq, chunk.protocol = tsn, stream, ssn, ppi
    chunk.user_data = payload
    return chunk


def init(cls, pairs):
    chunk = cls()
    chunk.initiate_tag, chunk.advertised_rwnd = 0x01020304, 1 << 20
    chunk.outbound_streams, chunk.inbound_streams, chunk.initial_tsn = 256, 2048, MAX - 4
    chunk.params = pairs
    return chunk


def sack(gaps=(), duplicates=(), tsn=MAX):
    chunk = sctp.SackChunk()
    chunk.cumulative_tsn, chunk.advertised_rwnd = tsn, 131072
    chunk.gaps, chunk.duplicates = list(gaps), list(duplicates)
    return chunk


def with_params(cls, pairs, flags=0):
    chunk = cls(flags=flags)
    chunk.params = list(pairs)
    return chunk


def shutdown(tsn):
    chunk = sctp.ShutdownChunk()
    chunk.cumulative_tsn = tsn
    return chunk


def forward(tsn, streams):
    chunk = sctp.ForwardTsnChunk()
    chunk.cumulative_tsn, chunk.streams = tsn, streams
    return chunk


def samples():
    extensions = [(0xC000, b""), (0x8008, bytes([192, 130]))]
    yield "data", data(1, b"hello")
    yield "data_padded_1", data(MAX, b"abc", ssn=65535)
    yield "data_padded_3", data(0, b"a", stream=65535)
    yield "data_first_part", data(7, bytes(range(32)), flags=2)
    yield "data_middle_part", data(8, b"\xff" * 16, flags=0)
    yield "data_last_part_unordered", data(9, b"last", flags=5, ppi=51)
    yield "data_immediate", data(10, b"now!", flags=11, ppi=50)
    yield "data_full", data(11, bytes(i % 251 for i in range(1160)))
    yield "init", init(sctp.InitChunk, extensions)
    yield "init_without_extensions", init(sctp.InitChunk, [])
    yield "init_ack", init(sctp.InitAckChunk, [*extensions, (7, b"cookie of a size that needs padding..")])
    yield "sack", sack()
    yield "sack_gaps", sack([(2, 3), (5, 5), (100, 65535)])
    yield "sack_duplicates", sack(duplicates=[MAX, 0, 1])
    yield "sack_900_gaps", sack([(2 * i + 2, 2 * i + 2) for i in range(900)], [5])
    yield "heartbeat", with_params(sctp.HeartbeatChunk, [(1, b"info")])
    yield "heartbeat_ack", with_params(sctp.HeartbeatAckChunk, [(1, b"\x01\x02\x03\x04\x05")])
    yield "abort", with_params(sctp.AbortChunk, [])
    yield "abort_with_cause", with_params(sctp.AbortChunk, [(13, b"Expected B-bit")], flags=1)
    yield "error", with_params(sctp.ErrorChunk, [(1, b"\x00\x07\x00\x00")])
    yield "shutdown", shutdown(MAX)
    yield "shutdown_ack", sctp.ShutdownAckChunk()
    yield "shutdown_complete", sctp.ShutdownCompleteChunk()
    yield "cookie_echo", sctp.CookieEchoChunk(body=b"\x00" * 28)
    yield "cookie_echo_padded", sctp.CookieEchoChunk(body=b"12345")
    yield "cookie_ack", sctp.CookieAckChunk()
    yield "forward_tsn", forward(MAX, [(1, 65535), (2, 0)])
    yield "forward_tsn_unordered", forward(5, [])
    reset = sctp.StreamResetOutgoingParam(MAX, 17, 99, [1, 3, 65534])
    everything = sctp.StreamResetOutgoingParam(1, 2, 3, [])
    answer = sctp.StreamResetResponseParam(4, 6)
    yield "reset", with_params(sctp.ReconfigChunk, [(13, bytes(reset))])
    yield "reset_all", with_params(sctp.ReconfigChunk, [(13, bytes(everything))])
    yield "reset_answer", with_params(sctp.ReconfigChunk, [(16, bytes(answer))])
    yield "reset_and_answer", with_params(sctp.ReconfigChunk, [(13, bytes(reset)), (16, bytes(answer))])
    more = sctp.StreamAddOutgoingParam(5, 16)
    yield "add_streams", with_params(sctp.ReconfigChunk, [(17, bytes(more))])


def make(path):
    lines = [f"# Packets serialized by aiortc {aiortc.__version__}; made by scripts/golden-sctp.py."]
    for name, chunk in samples():
        packet = sctp.serialize_packet(5000, 5000, TAG, chunk)
        lines.append(f"{name} | {packet.hex()} | {describe(chunk).rstrip()}")
    path.write_text("\n".join(lines) + "\n")


def check(path):
    count = 0
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            continue
        name, packet, words = line.split(" | ")
        source, destination, tag, chunks = sctp.parse_packet(bytes.fromhex(packet))
        assert (source, destination, tag) == (5000, 5000, TAG), name
        read = "; ".join(describe(chunk).rstrip() for chunk in chunks)
        assert read == words, f"{name}: {read!r} instead of {words!r}"
        count += 1
    return count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["make", "check"])
    parser.add_argument("file", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.what == "make":
        make(arguments.file)
    else:
        print(f"{check(arguments.file)} packets read as they were meant")
