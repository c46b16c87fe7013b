"""An Asterisk server, and the PostgreSQL database that one or several of them read."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.authority import Authority
from lab.packages import FORKY
from lab.ports import HOST
from lab.postgresql import Postgresql
from lab.process import Counterpart, LabError, Process, run
from lab.state import State, write_private
from provisioning.drivers.asterisk import setup

FILES = Path(__file__).with_name("asterisk_etc")
SCHEMA = Path(__file__).with_name("asterisk.sql")
PROGRAM = "usr/sbin/asterisk"
FOLDERS = ("cache", "etc", "lib", "log", "run", "spool")
TABLES = ("ps_endpoints", "ps_auths", "ps_aors", "ps_contacts", "extensions")
CONTEXT = "[{}]\ninclude => rtcadmin-users\n"
# The console's user on both of Asterisk's interfaces for control.
CONTROL_USER = "rtcadmin"


class AsteriskStore:
    """A database with Asterisk's tables, copied from a template that is made once per cluster.

    The servers sign in as `asterisk`; the console as `rtcadmin`, who may write what it manages.
    """

    server_role = "asterisk"
    console_role = "rtcadmin"
    template = "asterisk_template"

    def __init__(self, cluster: Postgresql, name: str = "asterisk") -> None:
        self.cluster = cluster
        self.name = name

    def create(self) -> None:
        if self.cluster.has_database(self.name):
            return
        if not self.cluster.has_database(self.template):
            self._create_template()
        self.cluster.create_database(self.name, template=self.template)

    def drop(self) -> None:
        self.cluster.drop_database(self.name)

    def execute(self, text: str) -> None:
        """Runs SQL statements with every right."""
        self.cluster.sql(text, database=self.name)

    def _create_template(self) -> None:
        for role in (self.server_role, self.console_role):
            self.cluster.create_role(role)
        self.cluster.create_database(self.template)
        written = ", ".join(TABLES)
        both = f"{self.server_role}, {self.console_role}"
        self.cluster.sql(
            f"{SCHEMA.read_text()}"
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {written} TO {both};"
            f"GRANT USAGE ON SEQUENCE extensions_id_seq TO {both};"
            f"{self._own_tables()}",
            database=self.template,
        )

    def _own_tables(self) -> str:
        roles = {"@USER@": self.console_role, "@ROLE@": self.server_role}
        text = setup.tables(read_by_servers=True)
        for stand_in, role in roles.items():
            text = text.replace(stand_in, role)
        return text


class Asterisk(Counterpart):
    """A registrar on UDP and TCP (`sip_port`) and TLS (`tls_port`), for SIP `domains`.

    `control_url` is where its manager and REST interfaces answer the user `rtcadmin`, whose
    password for both is `control_secret`. `files` replaces configuration files by name; dialplan
    and sorcery are what the setup guide gives to the administrators of real servers.
    """

    def __init__(
        self,
        directory: Path,
        authority: Authority,
        store: AsteriskStore,
        *,
        domains: Sequence[str] = ("corp.example",),
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.authority = authority
        self.store = store
        self.domains = domains
        self.files = files or {}
        self.ca_file = authority.certificate
        state = State(self.directory)
        self.sip_port = state.port("sip")
        self.tls_port = state.port("tls")
        self.http_port = state.port("http")
        self.ami_port = state.port("ami")
        self.control_url = f"http://{HOST}:{self.http_port}/"
        self.control_secret = state.secret("control")
        self._etc = self.directory / "etc"
        program = FORKY.command(PROGRAM)
        self._configured = ["-C", str(self._etc / "asterisk.conf")]
        self._console = [*program, "-r", *self._configured]
        self.process = Process(
            "asterisk", [*program, "-f", *self._configured], log=self.directory / "asterisk.log"
        )

    def start(self) -> None:
        self.store.create()
        self._configure()
        self.process.start(self._answers)

    def stop(self) -> None:
        self.process.stop()

    def command(self, line: str) -> str:
        """What the server's console says to a command."""
        return run([*self._console, "-x", line], timeout=60.0)

    def _answers(self) -> bool:
        """Whether everything is loaded: the control port opens before that."""
        if not (self.directory / "run" / "asterisk.ctl").exists():
            return False
        try:
            return "has fully booted" in self.command("core waitfullybooted")
        except LabError:
            return False

    def _configure(self) -> None:
        for name in FOLDERS:
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / "run" / "asterisk.ctl").unlink(missing_ok=True)
        leaf = self.authority.leaf("asterisk")
        cluster = self.store.cluster
        known = {
            "DIRECTORY": self.directory,
            "MODULES": FORKY.libraries / "asterisk/modules",
            "DATA": FORKY.tree / "usr/share/asterisk",
            "SIP": self.sip_port,
            "TLS": self.tls_port,
            "HTTP": self.http_port,
            "AMI": self.ami_port,
            "SECRET": self.control_secret,
            "CERTIFICATE": leaf.certificate,
            "KEY": leaf.key,
            "DATABASE": self.store.name,
            "DATABASE_PORT": cluster.port,
            "DATABASE_USER": self.store.server_role,
            "DATABASE_PASSWORD": cluster.password(self.store.server_role),
            "CONTEXTS": "\n".join(CONTEXT.format(domain) for domain in self.domains),
            "DIALPLAN": setup.dialplan(),
            "SORCERY": setup.sorcery(),
            "CONTACTS": "contact = realtime,ps_contacts",
        }
        for file in FILES.iterdir():
            text = self.files.get(file.name, file.read_text())
            for name, value in known.items():
                text = text.replace(f"@{name}@", str(value))
            write_private(self._etc / file.name, text)
