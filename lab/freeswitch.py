"""A FreeSWITCH that asks a console for accounts, where this machine has one.

Debian has no package of it, so that `RTCADMIN_FREESWITCH` names the folder that it was installed
into; without it nothing here can be started.
"""

import os
import socket
from pathlib import Path

from lab.ports import HOST
from lab.process import Counterpart, LabError, Process
from lab.state import State, write_private

TEMPLATE = Path(__file__).with_suffix(".xml")
FOLDERS = ("conf", "db", "log", "run", "storage", "temp")
VARIABLE = "RTCADMIN_FREESWITCH"


def prefix() -> Path | None:
    """Where FreeSWITCH is installed; None where this machine has none."""
    told = os.environ.get(VARIABLE, "")
    return Path(told) if told else None


class FreeSwitch(Counterpart):
    """A registrar on UDP and TCP (`sip_port`) that asks at `ask` for accounts.

    `control_url` is where its event socket answers `control_secret`, which it also sends with its
    questions, as password of the user `rtcadmin`. `algorithms` are those of its challenges;
    `template` replaces the configuration.
    """

    def __init__(
        self, directory: Path, ask: str, *, algorithms: str = "MD5", template: str = ""
    ) -> None:
        installed = prefix()
        if installed is None:
            raise LabError(f"FreeSWITCH is not installed: set {VARIABLE} to its folder")
        self.directory = directory.absolute()
        self.ask = ask
        self.algorithms = algorithms
        self.template = template or TEMPLATE.read_text()
        state = State(self.directory)
        self.sip_port = state.port("sip")
        self.control_port = state.port("control")
        self.control_url = f"esl://{HOST}:{self.control_port}"
        self.control_secret = state.secret("control")
        places = [each for name in FOLDERS for each in (f"-{name}", str(self.directory / name))]
        self.process = Process(
            "freeswitch",
            [str(installed / "bin" / "freeswitch"), "-nf", "-nc", "-nonat", *places],
            log=self.directory / "freeswitch.log",
            environment={"LD_LIBRARY_PATH": str(installed / "lib")},
        )

    def start(self) -> None:
        for name in FOLDERS:
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        text = self.template
        known = {
            "HOST": HOST,
            "SIP": self.sip_port,
            "CONTROL": self.control_port,
            "SECRET": self.control_secret,
            "ASK": self.ask,
            "ALGORITHMS": self.algorithms,
            "RTP_FIRST": 32_768,
            "RTP_LAST": 60_999,
        }
        for name, value in known.items():
            text = text.replace(f"@{name}@", str(value))
        write_private(self.directory / "conf" / "freeswitch.xml", text)
        self.process.start(self._answers)

    def stop(self) -> None:
        self.process.stop()

    def _answers(self) -> bool:
        """Whether the event socket is open, and the SIP port with it."""
        for port in (self.control_port, self.sip_port):
            with socket.socket() as probe:
                probe.settimeout(0.2)
                if probe.connect_ex((HOST, port)):
                    return False
        return True
