"""Programs start, stop and die as the tests expect them to."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.process import LabError, Process, executable

SLEEP = [sys.executable, "-c", "print('up', flush=True); import time; time.sleep(60)"]


def _said_up(log: Path) -> bool:
    return log.exists() and "up" in log.read_text()


def test_a_program_that_ends_early_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no such file: x.conf'); raise SystemExit(3)"]
    process = Process("broken", command, log=tmp_path / "log")
    with pytest.raises(LabError, match=r"broken ended with status 3\n.*no such file: x\.conf"):
        process.start(lambda: False)


def test_a_program_that_never_answers_is_stopped(tmp_path: Path) -> None:
    process = Process("mute", SLEEP, log=tmp_path / "log")
    with pytest.raises(LabError, match=r"mute: not within 0\.2 s"):
        process.start(lambda: False, timeout=0.2)
    assert not process.running


def test_a_second_program_in_the_same_place_is_refused(tmp_path: Path) -> None:
    process = Process("second", SLEEP, log=tmp_path / "log")
    with pytest.raises(LabError, match="another one already answers"):
        process.start(lambda: True)


def test_stopping_ends_a_program_that_ignores_the_request_and_its_children(tmp_path: Path) -> None:
    script = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        "if child: print('up', child, flush=True)\n"
        "time.sleep(60)\n"
    )
    log = tmp_path / "log"
    process = Process("stubborn", [sys.executable, "-c", script], log=log)
    process.start(lambda: _said_up(log))
    child = int(log.read_text().split()[1])
    process.stop(patience=0.1)
    assert not process.running
    _wait_for_end(child)


def test_a_program_dies_with_its_starter(tmp_path: Path) -> None:
    log = tmp_path / "log"
    starter = (
        "import os, pathlib, signal\n"
        "from lab.process import Process\n"
        f"log = pathlib.Path({str(log)!r})\n"
        f"process = Process('child', {SLEEP!r}, log=log)\n"
        "process.start(lambda: log.exists() and 'up' in log.read_text())\n"
        "print(process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", starter], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    _wait_for_end(int(done.stdout))


def test_a_missing_program_is_named_with_the_way_to_install_it() -> None:
    with pytest.raises(LabError, match=r"nosuchprogram is not installed: python3 -m lab\.packages"):
        executable("nosuchprogram")


def _wait_for_end(pid: int) -> None:
    for _ in range(1500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    pytest.fail(f"process {pid} is still alive")
