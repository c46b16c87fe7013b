"""Programs that this Debian has not, or not so new: those of another suite, with their libraries.

The packages are unpacked once, without being installed, into a folder of the user's cache; a
program runs there with its own suite's loader and libraries, as any user and without a chroot.
Needs nothing but the standard library, since it runs before anything is installed.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Nobody reads these, and they are half of it.
SUPERFLUOUS = ("usr/share/doc", "usr/share/locale", "usr/share/man")
# How the machine reaches its mirror; the rest of what apt knows is of no use to another suite.
TAKEN_SETTINGS = ("Acquire::Check", "Acquire::http", "Acquire::https", "Acquire::Retries")


class SuiteError(RuntimeError):
    """The packages could not be fetched, or are not there; the message says what to do."""


@dataclass(frozen=True)
class Suite:
    """Some packages of a Debian suite, with what they depend on."""

    name: str
    packages: tuple[str, ...]

    @property
    def tree(self) -> Path:
        """The folder that holds (or will hold) the unpacked packages."""
        key = hashlib.sha256(" ".join(sorted(self.packages)).encode()).hexdigest()[:12]
        return cache() / f"{self.name}-{key}"

    def prepare(self) -> bool:
        """Fetches and unpacks the packages unless they are there; whether it had to.

        Of several processes one does so, and the others wait for it.
        """
        if self.tree.exists():
            return False
        cache().mkdir(parents=True, exist_ok=True)
        with (cache() / f"{self.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.tree.exists():
                return False
            draft = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=cache()))
            try:
                self._unpack(draft)
                draft.chmod(0o755)
                draft.rename(self.tree)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
        return True

    def command(self, program: str, *folders: str) -> list[str]:
        """How to run a program of the suite, such as usr/sbin/asterisk.

        `folders` are those below that of its libraries in which it keeps some of its own.
        """
        loaders = sorted(self.tree.glob("usr/lib*/ld-linux*.so.*"))
        if not loaders:
            raise SuiteError(
                f"The packages of Debian {self.name} are not here: python3 -m lab.packages test"
            )
        paths = [self.libraries, *(self.libraries / folder for folder in folders)]
        searched = os.pathsep.join(map(str, paths))
        return [str(loaders[0]), "--library-path", searched, str(self.tree / program)]

    @property
    def libraries(self) -> Path:
        """The folder of the suite's shared libraries."""
        return next(self.tree.glob("usr/lib/*/libc.so.6")).parent

    def _unpack(self, target: Path) -> None:
        source = f"deb {mirror()} {self.name} main"
        options = [f"--aptopt={line}" for line in _settings()]
        command = [
            "mmdebstrap", "--quiet", "--variant=extract", f"--keyring={KEYRING}", *options,
            '--aptopt=APT::Install-Recommends "false"', f"--include={','.join(self.packages)}",
            self.name, str(target), source,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-10:])
            raise SuiteError(f"Debian {self.name} could not be fetched from {mirror()}:\n{said}")
        for name in SUPERFLUOUS:
            shutil.rmtree(target / name, ignore_errors=True)


def cache() -> Path:
    """Where this user keeps what can be fetched again (XDG base directories)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rtcadmin"


def mirror() -> str:
    """The mirror that the machine has its own Debian from, whether or not it was asked lately."""
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    told = _told(
        ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)",
         "Created-By: Packages"]
    )  # fmt: skip
    for line in told.splitlines():
        site, *rest = line.split()
        if rest == [release, "main"]:
            return site
    raise SuiteError(f"apt names no mirror of Debian {release}: see /etc/apt/sources.list.d")


def _settings() -> list[str]:
    """The machine's own settings of apt that decide whether a mirror can be used."""
    lines = _told(["apt-config", "dump", "Acquire"]).splitlines()
    return [
        line.removesuffix(";")
        for line in lines
        if line.startswith(TAKEN_SETTINGS) and not line.endswith(' "";')
    ]


def _told(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
