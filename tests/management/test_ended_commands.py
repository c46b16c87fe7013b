"""Commands that end early: interrupted, without a database, in the middle of rows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _start(data: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own commands
        [sys.executable, "-W", "ignore", str(ROOT / "manage.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"RTCADMIN_DATA": str(data), "PATH": "", **environment},
        text=True,
        # Whoever runs tests in the background of a shell has it ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def _run(data: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Its exit code and what it says on standard error."""
    process = _start(data, *arguments, **environment)
    said = process.communicate()[1]
    return process.returncode, said


@pytest.mark.parametrize(
    ("url", "why"),
    [("", "no such table"), ("postgresql://rtcadmin:s3cret@127.0.0.1:1/rtcadmin", "refused")],
)
def test_without_a_database_it_says_so_and_what_to_look_at(
    tmp_path: Path, url: str, why: str
) -> None:
    given = {"RTCADMIN_DATABASE_URL": url} if url else {}
    status, said = _run(tmp_path, "runs", **given)
    assert status == 1
    assert "The console's database cannot be used: " in said
    assert why in said.splitlines()[0]
    assert "manage.py migrate" in said
    assert "Traceback" not in said
    assert "s3cret" not in said
    assert "Traceback" in _run(tmp_path, "runs", "--traceback", **given)[1]


def test_interrupted_it_says_so_and_ends_with_130(tmp_path: Path) -> None:
    pipe = tmp_path / "numbers.csv"
    os.mkfifo(pipe)
    process = _start(tmp_path, "numbers", "import", str(pipe))
    # Opened for writing as soon as the command reads; it then waits for what never comes.
    with pipe.open("w"):
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "Interrupted. What was done before stays done.\n"


def test_it_ends_quietly_when_nobody_reads_the_rows_any_more(tmp_path: Path) -> None:
    """Rows that are still being read must not be complained of when their database is closed."""
    file = tmp_path / "numbers.csv"
    file.write_text("number\n" + "".join(f"+4420794{n:05}\n" for n in range(1000)))
    assert _run(tmp_path, "migrate", "-v0")[0] == 0
    assert _run(tmp_path, "numbers", "import", str(file), "--apply")[0] == 0
    process = _start(tmp_path, "numbers", "list", "--json")
    assert process.stdout is not None
    assert process.stdout.readline().startswith('{"number": "+442079400000"')
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait() == 141
