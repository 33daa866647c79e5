"""A coturn of the test's own on free ports: TURN over UDP, TCP and TLS, one user."""

import contextlib
import os
import pathlib
import secrets
import socket
import subprocess
import time

USER, PASSWORD = "user", "pass-of-the-test"


def _free_ports(count, address):
    held = []
    for _ in range(count):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((address, 0))
        held.append(udp)
    ports = [udp.getsockname()[1] for udp in held]
    for udp in held:
        udp.close()
    return ports


def _answers(address, port):
    """Whether a STUN binding request gets an answer."""
    request = bytes.fromhex("000100002112a442") + secrets.token_bytes(12)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(0.2)
        udp.sendto(request, (address, port))
        try:
            return udp.recv(512)[8:20] == request[8:]
        except OSError:
            return False


class TurnServer:
    """`address` for UDP and TCP, `urls` by transport; `certificate` is what a client must trust for TLS; `quota` is of allocations."""

    def __init__(self, folder, address="127.0.0.1", quota=0):
        folder = pathlib.Path(folder)
        self.certificate = folder / "cert.pem"
        key = folder / "key.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(self.certificate)]
        command += ["-days", "2", "-subj", "/CN=localhost", "-addext", f"subjectAltName=DNS:localhost,IP:{address}"]
        command += ["-addext", "basicConstraints=critical,CA:FALSE"]
        subprocess.run(command, check=True, capture_output=True)
        plain, tls = _free_ports(2, address)
        config = folder / "turn.conf"
        config.write_text(
            f"listening-ip={address}\nrelay-ip={address}\nuser-quota={quota}\nlistening-port={plain}\ntls-listening-port={tls}\n"
            f"min-port=50000\nmax-port=50999\nrealm=test.local\nlt-cred-mech\nuser={USER}:{PASSWORD}\nfingerprint\n"
            f"cert={self.certificate}\npkey={key}\nallow-loopback-peers\nno-cli\ncli-password=unused\nlog-file=stdout\n"
            f"simple-log\npidfile={folder}/turn.pid\nuserdb={folder}/turndb\n"
        )
        self.process = subprocess.Popen(
            ["turnserver", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
        )
        self.address = (address, plain)
        self.urls = {
            "stun": f"stun:{address}:{plain}",
            "udp": f"turn:{address}:{plain}?transport=udp",
            "tcp": f"turn:{address}:{plain}?transport=tcp",
            "tls": f"turns:{'localhost' if address == '127.0.0.1' else address}:{tls}?transport=tcp",
        }
        deadline = time.monotonic() + 20
        while not _answers(address, plain):
            assert self.process.poll() is None and time.monotonic() < deadline, "coturn does not answer"

    def config(self, transport, password=PASSWORD):
        return {"iceServers": [{"urls": [self.urls[transport]], "username": USER, "credential": password}]}

    def environment(self):
        """For processes that are to trust it."""
        return {"SSL_CERT_FILE": str(self.certificate)} | {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}

    def stop(self):
        self.process.kill()
        self.process.wait(10)


@contextlib.contextmanager
def turn_server(folder, address="127.0.0.1", quota=0):
    server = TurnServer(folder, address, quota)
    try:
        yield server
    finally:
        server.stop()
