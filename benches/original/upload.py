"""The original's VideoFileUploader between two aiortc peers in two processes. usage: upload.py FILE | upload.py --receive

The sender prints one JSON object: MB/s end to end, CPU seconds per GB of each side, peak RSS of each side.
"""

import asyncio
import json
import resource
import struct
import subprocess
import sys
import time

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription


def usage():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def description(pc):
    return json.dumps({"sdp": pc.localDescription.sdp, "type": pc.localDescription.type})


async def receive():
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    done = asyncio.Event()
    state = {"bytes": 0, "chunks": 0}

    @pc.on("datachannel")
    def on_channel(channel):
        @channel.on("message")
        def on_message(message):
            if state["chunks"] == 0:
                state["cpu"] = usage()[0]
            state["chunks"] += 1
            state["bytes"] += len(message) - 8
            if state["chunks"] == struct.unpack_from("<I", message, 4)[0]:
                state["cpu"] = usage()[0] - state["cpu"]
                state["end"] = time.time()
                done.set()

    await pc.setRemoteDescription(RTCSessionDescription(**json.loads(sys.stdin.readline())))
    await pc.setLocalDescription(await pc.createAnswer())
    print(description(pc), flush=True)
    await done.wait()
    print(json.dumps({**state, "rss": usage()[1]}), flush=True)
    sys.stdin.readline()
    await pc.close()


async def send(path):
    from inference_sdk.webrtc.datachannel import VideoFileUploader

    peer = subprocess.Popen([sys.executable, __file__, "--receive"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    channel = pc.createDataChannel("video_upload")
    opened = asyncio.Event()
    channel.on("open", opened.set)
    await pc.setLocalDescription(await pc.createOffer())
    peer.stdin.write(description(pc) + "\n")
    peer.stdin.flush()
    answer = json.loads(await asyncio.to_thread(peer.stdout.readline))
    await pc.setRemoteDescription(RTCSessionDescription(**answer))
    await opened.wait()
    cpu, start = usage()[0], time.time()
    uploader = VideoFileUploader(path, channel)
    await uploader.upload()
    far = json.loads(await asyncio.to_thread(peer.stdout.readline))
    seconds, gigabytes = far["end"] - start, uploader.file_size / 1e9
    cpu = usage()[0] - cpu
    assert far["bytes"] == uploader.file_size
    print(
        json.dumps(
            {
                "mb_per_s": uploader.file_size / 1e6 / seconds,
                "sender_cpu_s_per_gb": cpu / gigabytes,
                "receiver_cpu_s_per_gb": far["cpu"] / gigabytes,
                "sender_rss_mb": usage()[1],
                "receiver_rss_mb": far["rss"],
            }
        )
    )
    peer.stdin.write("\n")
    peer.stdin.flush()
    await pc.close()
    peer.wait(10)


asyncio.run(receive() if sys.argv[1] == "--receive" else send(sys.argv[1]))
