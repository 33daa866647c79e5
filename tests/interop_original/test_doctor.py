"""`framewire doctor` against the unmodified original server (inference-cpu 1.8.3). Run by `make interop`."""

import json
import subprocess

from conftest import BINARY, NO_ICE_SERVERS


def test_a_healthy_original_is_found_healthy(server):
    command = [str(BINARY), "doctor", "--json", "--api-url", server, "--api-key", "test-key", "--ice-servers", NO_ICE_SERVERS]
    # As shipped, each of the two connections takes the original 20-30 s. Hang guard.
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["ok"] is True and report["worker"]["kind"] == "original" and report["worker"]["version"]
    status = {each["step"]: each["status"] for each in report["steps"]}
    assert "failed" not in status.values(), report
    assert {step for step, what in status.items() if what == "ok"} >= {
        *("address", "http", "worker", "candidates", "signalling", "ice", "dtls", "data_channel", "throughput_up", "video")
    }
