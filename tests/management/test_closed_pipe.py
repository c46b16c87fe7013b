"""Commands whose output nobody reads any more, such as into `head`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Settings are a few thousand characters, the help of commands some dozens of lines.
COMMANDS = (["diffsettings", "--all"], ["help", "--commands"], ["observe_server", "--help"])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_command_ends_quietly_when_nobody_reads_it_any_more(
    command: list[str], tmp_path: Path
) -> None:
    process = subprocess.Popen(  # noqa: S603 - our own commands
        [sys.executable, "-W", "ignore", str(ROOT / "manage.py"), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"RTCADMIN_DATA": str(tmp_path), "PATH": ""},
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait() in (0, 141)
