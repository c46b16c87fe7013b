"""A started program: ready or a clear error, stopped for certain, its log at hand."""

import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

# Debian keeps daemons where an ordinary user's PATH does not look.
SYSTEM_PATH = ("/usr/sbin", "/sbin")
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.1


class LabError(RuntimeError):
    """A counterpart could not be started, stopped or used; the message says which and why."""


class Counterpart(ABC):
    """Something that starts and stops, by hand or as a context manager.

    start() on something that runs, and stop() on something that does not, change nothing.
    """

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def stop(self) -> None: ...

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def executable(name: str) -> str:
    """The path of a program; raises LabError with the way to install it."""
    search = os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM_PATH])
    found = shutil.which(name, path=search)
    if found is None:
        raise LabError(f"{name} is not installed: python3 -m lab.packages test")
    return found


def wait_until(condition: Callable[[], bool], *, timeout: float, what: str) -> None:
    """Asks until the condition holds; raises LabError after `timeout` seconds."""
    end, pause = time.monotonic() + timeout, FIRST_PAUSE
    while not condition():
        if time.monotonic() > end:
            raise LabError(f"{what}: not within {timeout:g} s")
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log; empty where there is none."""
    try:
        text = log.read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def as_user(user: str | None) -> list[str]:
    """A prefix that runs a command as `user`; empty unless this process is root."""
    if user is None or os.geteuid() != 0:
        return []
    return [executable("setpriv"), f"--reuid={user}", f"--regid={user}", "--init-groups"]


def run(
    arguments: Sequence[str],
    *,
    text: str | None = None,
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 120.0,
    accept: Sequence[int] = (0,),
) -> str:
    """Runs a command to its end and returns what it printed; raises LabError when it fails.

    `accept` are the exit codes that are no failure.
    """
    command = [*as_user(user), executable(arguments[0]), *arguments[1:]]
    try:
        done = subprocess.run(
            command,
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            env={**os.environ, **(environment or {})},
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{arguments[0]} did not end within {timeout:g} s") from error
    if done.returncode not in accept:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise LabError(f"{arguments[0]} failed with status {done.returncode}:\n{said}")
    return done.stdout


def stands_still(group: int) -> bool:
    """Whether every thread of a process group is stopped (proc(5), fields 3 and 5 of stat)."""
    for stat in Path("/proc").glob("[0-9]*/task/*/stat"):
        try:
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[2]) == group and fields[0] not in "TtZX":
            return False
    return True


class Process:
    """One program with its own process group, which the kernel ends when its starter dies.

    Start it from a thread that lives as long as it should: to the kernel the starter is that
    thread (prctl(2), PR_SET_PDEATHSIG).
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        log: Path,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        outlives_starter: bool = False,
    ) -> None:
        self.name = name
        self.arguments = arguments
        self.log = log
        self.user = user
        self.environment = environment or {}
        self.directory = directory
        self.stop_signal = stop_signal
        self.outlives_starter = outlives_starter
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        if self._child is None:
            raise LabError(f"{self.name} is not running")
        return self._child.pid

    def start(self, ready: Callable[[], bool], *, timeout: float = 60.0) -> None:
        """Returns once `ready` holds; else stops and raises LabError with the end of the log."""
        if self.running:
            return
        if ready():
            raise LabError(f"{self.name}: another one already answers in its place")
        command = [*self._prefix(), executable(self.arguments[0]), *self.arguments[1:]]
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL if self.outlives_starter else subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        try:
            wait_until(lambda: self._ended() or ready(), timeout=timeout, what=self.name)
        except LabError as error:
            self.stop(patience=1.0)
            raise LabError(f"{error}\n{tail(self.log)}") from error
        except BaseException:
            self.stop(patience=1.0)
            raise

    def check(self) -> None:
        """Raises LabError with the end of the log if the program ended by itself."""
        try:
            self._ended()
        except LabError as error:
            raise LabError(f"{error}\n{tail(self.log)}") from error

    def write(self, line: str) -> None:
        """Sends a line to the program's standard input."""
        if self._child is None or self._child.stdin is None:
            raise LabError(f"{self.name} is not running")
        self._child.stdin.write(line.encode() + b"\n")
        self._child.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the program itself, not to its children."""
        if self.running:
            os.kill(self.pid, number)

    def pause(self) -> None:
        """Freezes the whole group: its ports stay open, and nobody answers.

        Returns once every thread stands still: on a busy machine one may go on for a while.
        """
        self._signal_group(signal.SIGSTOP)
        if self._child is not None:
            group = self._child.pid
            wait_until(lambda: stands_still(group), timeout=30, what=f"{self.name} to stand still")

    def resume(self) -> None:
        self._signal_group(signal.SIGCONT)

    def kill(self) -> None:
        """Ends the whole group at once, as a crash would."""
        self._signal_group(signal.SIGKILL)
        self._forget()

    def stop(self, *, patience: float = 5.0) -> None:
        """Asks, waits `patience` seconds, then kills what is left of the group."""
        if self._child is None:
            return
        self.resume()
        self.send(self.stop_signal)
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(patience)
        self.kill()

    def _ended(self) -> bool:
        """Raises LabError if the program has ended, so that nobody waits for the dead."""
        if self._child is not None and self._child.poll() is not None:
            raise LabError(f"{self.name} ended with status {self._child.returncode}")
        return False

    def _prefix(self) -> list[str]:
        prefix = as_user(self.user)
        if self.outlives_starter:
            return prefix
        death = ["--pdeathsig", self.stop_signal.name.removeprefix("SIG")]
        return [*(prefix or [executable("setpriv")]), *death]

    def _signal_group(self, number: signal.Signals) -> None:
        if self._child is not None:
            # Gone, or nothing left in it but an unreaped child.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, number)

    def _forget(self) -> None:
        if self._child is not None:
            if self._child.stdin is not None:
                self._child.stdin.close()
            self._child.wait()
            self._child = None
