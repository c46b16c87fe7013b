"""The console itself: two web servers (browser, provisioning links), a Celery worker and beat."""

import os
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from lab.authority import Authority
from lab.ports import HOST, listening
from lab.process import Counterpart, LabError, Process, run, wait_until
from lab.state import State

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "RTCADMIN_"
# What a command of manage.py may take, a first sync among it.
COMMAND_TIMEOUT = 120.0
# An idle worker takes 4 to 8 s to leave the filesystem broker; whatever it held is taken up anew.
STOP_PATIENCE = 2.0


class Console(Counterpart):
    """rtcadmin on SQLite and the filesystem broker, with all its data in one directory.

    `address` is for browsers; provisioning links lead to `link_address`, which clients reach over
    TLS by the name localhost. `stores` is the folder of the SIP servers' SQLite files.
    """

    def __init__(
        self, directory: Path, authority: Authority, *, stores: Path, port: int | None = None
    ) -> None:
        self.directory = directory.absolute()
        self.logs = self.directory / "logs"
        self.database = self.directory / "data" / "rtcadmin.sqlite3"
        self.authority = authority
        state = State(self.directory)
        self.port = state.port("web", wanted=port)
        self.link_port = state.port("links")
        self.address = f"http://{HOST}:{self.port}"
        self.link_address = f"https://localhost:{self.link_port}"
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "rtcadmin.settings",
            "PYTHONUNBUFFERED": "1",
            f"{PREFIX}DATA": str(self.database.parent),
            f"{PREFIX}PUBLIC_URL": self.address,
            f"{PREFIX}LINK_URL": self.link_address,
            f"{PREFIX}ENVIRONMENT": "Demo",
            f"{PREFIX}SQLITE_STORES": str(stores.absolute()),
            f"{PREFIX}ALLOW_LOOPBACK": "1",
            f"{PREFIX}CONSOLE_PORTS": f"{self.port},{self.link_port}",
        }
        leaf = authority.leaf("console")
        tls = [f"--certfile={leaf.certificate}", f"--keyfile={leaf.key}"]
        # Without mingle and gossip: there is no second worker to talk to.
        worker = ["worker", "--concurrency=2", "--without-mingle", "--without-gossip"]
        self.web = self._python("web", _gunicorn(self.port, threads=4))
        self.links = self._python("links", [*_gunicorn(self.link_port, threads=2), *tls])
        self.worker = self._python("worker", [*_celery(), *worker])
        self.beat = self._python("beat", [*_celery(), "beat", "--pidfile="])
        self.processes = (self.web, self.links, self.worker, self.beat)

    def start(self) -> None:
        """Starts all four at once, on a database that migrate() made; waits for the web servers."""
        for process, port in ((self.web, self.port), (self.links, self.link_port)):
            if not process.running and listening(port):
                raise LabError(f"{process.name}: another program has port {port}")
        for process in self.processes:
            if not process.running:
                process.start(lambda process=process: process.running)  # type: ignore[misc]
        wait_until(self._answers, timeout=60.0, what="the console answers")

    def stop(self) -> None:
        for process in self.processes:
            process.send(process.stop_signal)
        for process in reversed(self.processes):
            process.stop(patience=STOP_PATIENCE)

    def migrate(self) -> None:
        """Makes the database what this version needs, and the schedules what it says."""
        self.manage("migrate", "--verbosity=0")
        self.manage("install_schedules")

    def manage(self, *arguments: str, text: str | None = None, accept: Sequence[int] = (0,)) -> str:
        """Runs a command of manage.py as an administrator does; returns what it printed."""
        return run(
            [sys.executable, str(ROOT / "manage.py"), *arguments, "--skip-checks"],
            text=text,
            environment=self.environment,
            timeout=COMMAND_TIMEOUT,
            accept=accept,
        )

    def _python(self, name: str, arguments: Sequence[str]) -> Process:
        self.logs.mkdir(parents=True, exist_ok=True)
        return Process(
            name,
            [sys.executable, "-m", *arguments],
            log=self.logs / f"{name}.log",
            environment=self.environment,
            directory=ROOT,
        )

    def _answers(self) -> bool:
        for process in self.processes:
            process.check()
        try:
            with urllib.request.urlopen(f"{self.address}/healthz", timeout=5.0):  # noqa: S310
                return listening(self.link_port)
        except OSError:
            return False


def forget_settings() -> None:
    """Takes the settings of another console on this machine out of the environment."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]


def _gunicorn(port: int, *, threads: int) -> list[str]:
    return [
        "gunicorn", "rtcadmin.wsgi", f"--bind={HOST}:{port}", "--workers=1",
        "--worker-class=gthread", f"--threads={threads}", "--graceful-timeout=2",
        "--no-control-socket",
    ]  # fmt: skip


def _celery() -> list[str]:
    return ["celery", "--app=rtcadmin", "--quiet", "--skip-checks"]
