"""The types are complete and right: both type checkers, and the stubs beside the built module.

Not here: behaviour.
"""

import os
import pathlib
import subprocess
import sys

import pytest

import framewire

HERE = pathlib.Path(__file__).parent
PACKAGE = HERE.parents[1] / "bindings" / "python" / "python" / "framewire"
# Pyright takes what is installed for another package than the same files elsewhere.
INSTALLED = pathlib.Path(framewire.__file__).parent
PROGRAM = HERE / "typed_program.py"


def check(*command, cwd):
    result = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=cwd,
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.timeout(300)
def test_mypy_in_strict_mode_finds_nothing_in_the_package_nor_in_a_program_that_uses_it(tmp_path):
    check("mypy", "--strict", "--no-error-summary", "--cache-dir", str(tmp_path), str(PACKAGE), str(PROGRAM), cwd=tmp_path)


@pytest.mark.timeout(300)
def test_pyright_finds_nothing_in_the_package_nor_in_a_program_that_uses_it(tmp_path):
    check("pyright", "--pythonpath", sys.executable, str(INSTALLED), str(PROGRAM), cwd=tmp_path)


@pytest.mark.timeout(300)
def test_the_stubs_describe_the_built_module(tmp_path):
    allowed = tmp_path / "allowed"
    # Names for types alone, and what tests of the native module use.
    allowed.write_text("framewire\\._core\\.(Item|Metadata|Picture|StreamError|__.*)\n")
    check(
        "mypy.stubtest", "framewire._core", "--allowlist", str(allowed), "--ignore-unused-allowlist", "--concise", cwd=tmp_path
    )
