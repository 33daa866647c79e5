"""Every example runs, and every Python block of docs/python.md and the README runs as it stands.

Not here: what the pieces do in detail.
"""

import os
import re
import subprocess
import sys

import clips
import pytest
from conftest import ROOT

EXAMPLES = {
    "file_job.py": (["{url}", "{clip}"], "250 frames, lossless"),
    "model_by_id.py": (["{url}", "{clip}"], "found: "),
    "push_frames.py": (["{url}"], "frames came back, from brightness"),
    "asyncio_frames.py": (["{url}", "{clip}"], "frames: [100, 50]"),
    "own_source.py": (["{url}"], "frames came back; the square went from"),
}
# Has a test beside what it shows.
ELSEWHERE = {"python_worker.py"}
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.timeout(120)
def test_the_example_runs(name, worker, clip):
    arguments, expected = EXAMPLES[name]
    result = subprocess.run(
        [sys.executable, "-W", "ignore", str(ROOT / "examples" / name), *(each.format(url=worker.url, clip=clip) for each in arguments)],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert result.returncode == 0, result.stderr
    assert expected in result.stdout


def test_every_example_is_run():
    found = {path.name for path in (ROOT / "examples").glob("*.py")}
    assert found - ELSEWHERE == set(EXAMPLES)


@pytest.mark.parametrize("document", ["docs/python.md", "README.md"])
@pytest.mark.timeout(120)
def test_the_blocks_of_the_document_run_in_order(document, worker, tmp_path):
    blocks = BLOCK.findall((ROOT / document).read_text())
    assert blocks
    clips.write(tmp_path / "in.mp4", 40)
    program = "\n".join(blocks).replace("http://localhost:9001", worker.url)
    (tmp_path / "program.py").write_text(program)
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert result.returncode == 0, result.stderr
