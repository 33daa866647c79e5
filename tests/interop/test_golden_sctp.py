"""SCTP packets of ours mean to aiortc what they mean to us."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_aiortc_reads_packets_of_ours_as_they_are_meant():
    golden = ROOT / "crates" / "sctp" / "tests" / "golden" / "framewire.txt"
    command = [sys.executable, ROOT / "scripts" / "golden-sctp.py", "check", golden]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "21 packets read as they were meant\n"
