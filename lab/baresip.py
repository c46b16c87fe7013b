"""baresip, run from an exported directory of `config` and `accounts`."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from lab.linphone import Registration
from lab.ports import HOST, free_pair
from lab.process import Counterpart, LabError, Process, wait_until

# As baresip 1.0 prints them, between colour codes.
ACCEPTED = re.compile(r"\{\d/\w+/v[46]\} (200 [^(]*?) \(")
REFUSED = re.compile(r"reg: \S+: (\d{3} [^\n(\x1b]*|[^\n\x1b]*)")


class Baresip(Counterpart):
    """Runs on a copy of the exported files; what they leave open is set for loopback."""

    def __init__(self, directory: Path, exported: Path, ca_file: Path) -> None:
        self.directory = directory.absolute()
        self.exported = exported
        self.ca_file = ca_file
        self.process = Process(
            "baresip",
            ["baresip", "-s", "-f", str(self.directory)],
            log=self.directory / "baresip.log",
            environment={"HOME": str(self.directory)},
            directory=self.directory,
        )

    def start(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copytree(self.exported, self.directory, dirs_exist_ok=True)
        with (self.directory / "config").open("a") as config:
            config.writelines(self._machine((self.exported / "config").read_text()))
        self.process.log.unlink(missing_ok=True)
        self.process.start(lambda: "baresip is ready" in self._said())

    def stop(self) -> None:
        self.process.stop(patience=3.0)

    def registration(self, *, timeout: float = 30.0) -> Registration:
        """The latest outcome; waits for the first and raises LabError if it does not come."""
        try:
            wait_until(lambda: bool(self._outcomes()), timeout=timeout, what="baresip registers")
        except LabError as error:
            raise LabError(f"{error}\n{self._said()}") from error
        return self._outcomes()[-1]

    def _machine(self, exported: str) -> Iterator[str]:
        settings = {
            # It takes the port after this one as well, for TLS.
            "sip_listen": f"{HOST}:{free_pair()}",
            "sip_cafile": self.ca_file,
            "net_interface": HOST,
            "module_path": "/usr/lib/baresip/modules",
        }
        yield "\n"
        for key, value in settings.items():
            if not re.search(rf"(?m)^{key}\s", exported):
                yield f"{key} {value}\n"

    def _outcomes(self) -> list[Registration]:
        said = self._said()
        found = [(match.start(), True, match[1]) for match in ACCEPTED.finditer(said)]
        found += [(match.start(), False, match[1].strip()) for match in REFUSED.finditer(said)]
        return [Registration(accepted, words) for _, accepted, words in sorted(found)]

    def _said(self) -> str:
        log = self.process.log
        return log.read_text(errors="replace") if log.exists() else ""
