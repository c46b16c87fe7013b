"""The whole system on this machine: a directory, a SIP server, and the console between them."""

import fcntl
import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

from lab.authority import Authority
from lab.console import Console
from lab.demo_setup import SOURCE, write_setup
from lab.kamailio import Kamailio
from lab.kamailio_store import SqliteStore
from lab.people import company
from lab.process import Counterpart, LabError, Process, wait_until
from lab.slapd import Slapd
from lab.state import State

USER = "admin"
PEOPLE = 300
PUSH_PATIENCE = 120.0
# What apply_setup answers when entries name groups that nobody has read yet.
WAITING = 3


class System(Counterpart):
    """slapd with the invented company, Kamailio, and the console set up for them.

    The first start makes everything in `state`; later ones find data and ports as they were.
    `interval` is the time between two syncs, in seconds.
    """

    def __init__(
        self, state: Path, *, interval: int, port: int | None = None, durable: bool = True
    ) -> None:
        self.state = state.absolute()
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.interval = interval
        self.password = State(self.state).secret("console_user")
        authority = Authority(self.state / "authority")
        self.company = company(PEOPLE)
        self.directory = Slapd(self.state / "directory", authority, durable=durable)
        stores = self.state / "stores"
        self.store = SqliteStore(stores / "kamailio.db")
        self.server = Kamailio(self.state / "sip", authority, self.store)
        self.console = Console(self.state / "console", authority, stores=stores, port=port)
        self._made = self.state / "made"
        self._stack = ExitStack()

    @property
    def processes(self) -> tuple[Process, ...]:
        return (self.directory.process, self.server.process, *self.console.processes)

    def start(self) -> None:
        """Starts everything; the first time also sets the console up, syncs and pushes."""
        with ThreadPoolExecutor() as pool:
            migrated = pool.submit(self.console.migrate)
            loaded = pool.submit(self._load)
            self._enter(self.server)
            loaded.result()
            self._enter(self.directory)
            migrated.result()
            made: Future[None] | None = None
            if not self._made.exists():
                made = pool.submit(self._make)
            self._enter(self.console)
            if made is not None:
                made.result()

    def stop(self) -> None:
        self._stack.close()

    def check(self) -> None:
        """Raises LabError with the end of its log if a program ended by itself."""
        for process in self.processes:
            process.check()

    def count_people(self) -> int:
        """How many people the console knows."""
        return _count(self.console.database, "provisioning_person")

    def count_accounts(self) -> int:
        """How many accounts the console has, in whatever state."""
        return _count(self.console.database, "provisioning_account")

    def count_subscribers(self) -> int:
        """How many accounts the SIP server's own database has."""
        return _count(self.store.file, "subscriber")

    def member(self, group: str) -> str:
        """The uid of somebody in a group."""
        return min(self.company.members(group))

    def _enter(self, part: Counterpart) -> None:
        self._stack.enter_context(part)

    def _load(self) -> None:
        if self.directory.empty:
            self.directory.populate(self.company)

    def _make(self) -> None:
        """What an administrator does on the first day, from the command line."""
        manage = self.console.manage
        file = write_setup(
            self.state / "setup", self.directory, self.server, self.store, interval=self.interval
        )
        # Rules name groups, and groups are known once they were read: hence twice.
        manage("apply_setup", str(file), "--apply", accept=(0, WAITING))
        manage("sync_directory", SOURCE, "--apply")
        manage("apply_setup", str(file), "--apply")
        manage(
            "create_console_user", f"--username={USER}", "--name=Demo administrator",
            "--role=administrator", "--may-export-secrets", "--password-stdin",
            text=self.password,
        )  # fmt: skip
        self._made.touch()
        wait_until(
            lambda: self.count_subscribers() > 0, timeout=PUSH_PATIENCE, what="the first push"
        )


def _count(database: Path, table: str) -> int:
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        return int(connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])  # noqa: S608


class Lock:
    """Keeps a second demo from the same data."""

    def __init__(self, state: Path) -> None:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = (state / "lock").open("w")

    def __enter__(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LabError(
                "A demo runs with this data already. Stop it, or give this one another --state."
            ) from error

    def __exit__(self, *_: object) -> None:
        self._file.close()
