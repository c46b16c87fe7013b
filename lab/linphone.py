"""Linphone's console client, started from a provisioning address as a phone out of the box is."""

import re
from dataclasses import dataclass
from pathlib import Path

from lab.ports import free_port
from lab.process import Counterpart, LabError, Process, wait_until

# Measured on 5.1.65. Its TLS ignores IP addresses in certificates, so the address needs a host
# name; it listens on 5060 unless each port is -1.
SEED = """\
[misc]
config-uri={config_uri}
[net]
dns_srv_enabled=0
[sip]
root_ca={ca}
sip_port=-1
sip_tcp_port=-1
sip_tls_port=-1
register_only_when_network_is_up=0
[rtp]
audio_rtp_port={rtp}
[sound]
echocancellation=0
"""
STATE = re.compile(r"moving from state \[\w+\] to \[LinphoneRegistration(Ok|Failed)\]")
ANSWER = re.compile(r"Register refresher \[(\d+)\] reason \[([^\]]*)\]")
# The rest of the log may hold what the client signs in with.
TELLING = re.compile(r"-(?:error|warning)-|Register refresher")


@dataclass(frozen=True)
class Registration:
    """How a registration went: `said` is the server's last answer, as in `401 Unauthorized`."""

    accepted: bool
    said: str


class Linphone(Counterpart):
    """linphonec with a home directory of its own; keeps what it was provisioned with."""

    def __init__(self, directory: Path, config_uri: str, ca_file: Path) -> None:
        self.directory = directory.absolute()
        self.config_uri = config_uri
        self.ca_file = ca_file
        self.configuration = self.directory / "linphonerc"
        self._home = self.directory / "home"
        self.log = self.directory / "linphone.log"
        self.process = Process(
            "linphonec",
            ["linphonec", "-c", str(self.configuration), "-d", "6", "-l", str(self.log)],
            log=self.directory / "output.log",
            environment={"HOME": str(self._home)},
            directory=self.directory,
        )

    def start(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Without this directory the core never starts, and says nothing.
        (self._home / ".local/share/linphone").mkdir(parents=True, exist_ok=True)
        if not self.configuration.exists():
            seed = SEED.format(config_uri=self.config_uri, ca=self.ca_file, rtp=free_port())
            self.configuration.write_text(seed)
        self.log.unlink(missing_ok=True)
        self.process.start(self.log.exists)

    def stop(self) -> None:
        if self.process.running:
            self.process.write("quit")
        self.process.stop(patience=3.0)

    def registration(self, *, timeout: float = 30.0) -> Registration:
        """The latest outcome; waits for the first and raises LabError if it does not come."""
        try:
            wait_until(lambda: STATE.search(self._said()) is not None, timeout=timeout,
                       what="linphonec registers")  # fmt: skip
        except LabError as error:
            told = [line for line in self._said().splitlines() if TELLING.search(line)]
            raise LabError("\n".join([str(error), *told[-20:]])) from error
        said = self._said()
        answers = ANSWER.findall(said)
        return Registration(
            STATE.findall(said)[-1] == "Ok", " ".join(answers[-1]) if answers else "no answer"
        )

    def _said(self) -> str:
        return self.log.read_text(errors="replace")
