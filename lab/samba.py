"""A Samba Active Directory domain controller that the processes of a machine share.

It needs its standard ports, so it lives in a network namespace. Provisioned once into a cache, it
starts from that snapshot in about two seconds.
`python -m lab.samba start|stop [--cache DIRECTORY]`.
"""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TextIO

import ldap

from lab import samba_entries
from lab.authority import Authority
from lab.directory import DirectoryServer, Session
from lab.namespace import Namespace
from lab.people import DOMAIN, Person, company
from lab.process import LabError, Process, run
from lab.samba_entries import BASE, BIND_DN, BIND_NAME, DISABLED, person_dn, person_entry
from lab.state import State, write_private

PEOPLE = 60
REALM = DOMAIN.upper()
WORKGROUP = "CORP"
ADMINISTRATOR = f"{WORKGROUP}\\Administrator"
HOST_NAME = f"dc1.{DOMAIN}"
# What goes into a snapshot; another text here makes another snapshot.
SOURCES = ("samba.py", "samba_entries.py", "people.py", "sites.py")

CONFIGURATION = """\
[global]
netbios name = DC1
realm = {realm}
workgroup = {workgroup}
server role = active directory domain controller
server services = ldap, cldap, kdc
interfaces = lo {address}
bind interfaces only = yes
private dir = {directory}/private
lock directory = {directory}
state directory = {directory}/state
cache directory = {directory}/cache
binddns dir = {directory}/bind-dns
pid directory = {directory}/run
ncalrpc dir = {directory}/ncalrpc
ntp signd socket directory = {directory}/ntp_signd
winbindd socket directory = {directory}/winbindd
log file = {directory}/log.samba
logging = file
idmap_ldb:use rfc2307 = yes
tls keyfile = {key}
tls certfile = {certificate}
tls cafile = {ca}
# Otherwise LDAPS refuses Kerberos.
ldap server require strong auth = allow_sasl_over_tls
ldb:nosync = true
"""


class DomainController(DirectoryServer):
    """start() joins the one that runs, or starts it for everybody; the last to stop() ends it.

    A user who dies counts as stopped, but ends nothing. Whoever starts it begins with the
    snapshot's data, or with `keep` where the last run ended. Without root it goes through
    `sudo -n`.
    """

    base = BASE
    bind_dn = BIND_DN
    bind_name = f"{BIND_NAME}@{DOMAIN}"

    def __init__(self, cache: Path | None = None, *, keep: bool = False) -> None:
        self.cache = (cache or default_cache()).absolute()
        self.keep = keep
        self.address = ""
        self.bind_password = ""
        self.person_password = ""
        self._administrator_password = ""
        self._use: TextIO | None = None
        self._live = self.cache / "live"
        self._handover = self.cache / "running.json"

    @property
    def uri(self) -> str:
        """ldap://, where only StartTLS makes a simple bind possible."""
        return f"ldap://{self.address}"

    @property
    def tls_uri(self) -> str:
        return f"ldaps://{self.address}"

    @property
    def ca_file(self) -> Path:
        return self.cache / "ca" / "ca.pem"

    def start(self) -> None:
        if self._use is None:
            self.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._use = (self.cache / "users").open("w")
            fcntl.flock(self._use, fcntl.LOCK_SH)
        self.ensure()

    def stop(self) -> None:
        if self._use is None:
            return
        with self._use, suppress(BlockingIOError):
            fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.end()
        self._use = None

    def ensure(self) -> None:
        """Starts the controller if nobody has, without becoming one of its users."""
        self.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() != 0:
            self._as_root("start", *(["--keep"] if self.keep else []))
            self._join()
            return
        with self._locked():
            if not self._runs():
                self._end()
                if not self._snapshot.exists():
                    self._provision()
                if not (self.keep and self._live.exists()):
                    shutil.rmtree(self._live, ignore_errors=True)
                    # Sockets and hard links are among the files.
                    run(["cp", "-a", str(self._snapshot), str(self._live)])
                self._run()

    def end(self) -> None:
        """Ends the controller, whoever uses it."""
        if not self._handover.exists():
            return
        if os.geteuid() != 0:
            self._as_root("stop")
            return
        with self._locked():
            self._end()

    def session(self, name: str, password: str) -> Session:
        """A connection over LDAPS, bound as anybody: DN, user@domain, or DOMAIN\\name."""
        return Session(self.tls_uri, name, password, ca_file=self.ca_file)

    @property
    def administrator(self) -> tuple[str, str]:
        """Name and password of somebody with every right."""
        return ADMINISTRATOR, self._administrator_password

    def administer(self) -> Session:
        return self.session(*self.administrator)

    def add_person(self, person: Person) -> str:
        """Adds somebody who may sign in with `person_password`; returns the DN."""
        self.add(person_dn(person), person_entry(person, self.person_password))
        return person_dn(person)

    def disable(self, dn: str) -> None:
        self._set_control(dn, DISABLED, 0)

    def enable(self, dn: str) -> None:
        self._set_control(dn, 0, DISABLED)

    def set_history(self, dn: str, sids: Sequence[str]) -> None:
        """The security identifiers that somebody had in other forests.

        No client may write them over LDAP; a migration writes them on the controller itself, which
        takes root here.
        """
        write_history = (
            "import sys, ldb\n"
            "from samba.auth import system_session\n"
            "from samba.dcerpc import security\n"
            "from samba.ndr import ndr_pack\n"
            "from samba.param import LoadParm\n"
            "from samba.samdb import SamDB\n"
            "configuration, dn, *sids = sys.argv[1:]\n"
            "given = LoadParm()\n"
            "given.load(configuration)\n"
            "database = SamDB(session_info=system_session(), lp=given)\n"
            "change = ldb.Message(ldb.Dn(database, dn))\n"
            "packed = [ndr_pack(security.dom_sid(sid)) for sid in sids]\n"
            "how = ldb.FLAG_MOD_REPLACE\n"
            "change['sIDHistory'] = ldb.MessageElement(packed, how, 'sIDHistory')\n"
            "database.modify(change)\n"
        )
        run(["/usr/bin/python3", "-c", write_history, str(self._configuration), dn, *sids])

    def _set_control(self, dn: str, on: int, off: int) -> None:
        with self.administer() as connection:
            entry = connection.search_s(dn, ldap.SCOPE_BASE, attrlist=["userAccountControl"])
        control = int(entry[0][1]["userAccountControl"][0])
        self.modify(dn, {"userAccountControl": [str((control | on) & ~off)]})

    @cached_property
    def _snapshot(self) -> Path:
        sources = "".join((Path(__file__).parent / name).read_text() for name in SOURCES)
        digest = hashlib.sha256((run(["samba", "--version"]) + sources).encode())
        return self.cache / f"snapshot-{digest.hexdigest()[:16]}"

    def _provision(self) -> None:
        for old in self.cache.glob("snapshot-*"):
            shutil.rmtree(old)
        shutil.rmtree(self._live, ignore_errors=True)
        state = State(self.cache)
        run(
            ["samba-tool", "domain", "provision", "--targetdir", str(self._live),
             "--realm", REALM, "--domain", WORKGROUP, "--host-name", "DC1",
             "--server-role", "dc", "--dns-backend", "NONE",
             "--adminpass", state.secret("administrator"),
             # Extended attributes go to a file, so that any file system will do.
             "--option", f"posix:eadb = {self.cache}/eadb.tdb",
             "--option", "interfaces = lo", "--option", "bind interfaces only = yes"],
        )  # fmt: skip
        (self.cache / "eadb.tdb").unlink(missing_ok=True)
        (self._live / "etc" / "smb.conf").unlink()
        self._run()
        try:
            with self.administer() as connection:
                samba_entries.load(
                    connection,
                    company(PEOPLE),
                    password=self.person_password,
                    bind_password=self.bind_password,
                )
        finally:
            self._end()
        offline = ["-H", str(self._live / "private/sam.ldb"), "-s", str(self._configuration)]
        run(["samba-tool", "domain", "passwordsettings", "set", "--max-pwd-age=0",
             "--min-pwd-age=0", "--complexity=off", *offline])  # fmt: skip
        # "Replicating Directory Changes", which DirSync asks for.
        run(["samba-tool", "dsacl", "set", "--car=get-changes", "--action=allow",
             f"--objectdn={BASE}", f"--trusteedn={BIND_DN}", *offline])  # fmt: skip
        self._live.rename(self._snapshot)

    @property
    def _configuration(self) -> Path:
        return self._live / "smb.conf"

    def _run(self) -> None:
        """Starts on the live data and tells everybody where."""
        namespace = Namespace.create()
        authority = Authority(self.cache / "ca")
        leaf = authority.leaf("dc1", hosts=[HOST_NAME], addresses=[namespace.inside])
        for name in ("cache", "run"):
            (self._live / name).mkdir(exist_ok=True)
        self._configuration.write_text(
            CONFIGURATION.format(
                realm=REALM,
                workgroup=WORKGROUP,
                address=f"{namespace.inside}/30",
                directory=self._live,
                key=leaf.key,
                certificate=leaf.certificate,
                ca=authority.certificate,
            )
        )
        self._hand_over(namespace)
        self._join()
        process = Process(
            "samba",
            [*namespace.prefix, "samba", "-F", "--no-process-group", "-M", "single",
             "-s", str(self._configuration)],
            log=self._live / "output.log",
            outlives_starter=True,
        )  # fmt: skip
        try:
            process.start(self._answers)
        except BaseException:
            self._end()
            raise

    def _hand_over(self, namespace: Namespace) -> None:
        state = State(self.cache)
        values = {
            "namespace": vars(namespace),
            "administrator": state.secret("administrator"),
            "bind": state.secret("bind"),
            "person": state.secret("person"),
        }
        write_private(self._handover, json.dumps(values))
        if "SUDO_UID" in os.environ:
            os.chown(self._handover, int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))

    def _join(self) -> Namespace:
        """Reads what the starter wrote: where, and with which passwords."""
        values = json.loads(self._handover.read_text())
        namespace = Namespace(**values["namespace"])
        self.address = namespace.inside
        self._administrator_password = values["administrator"]
        self.bind_password = values["bind"]
        self.person_password = values["person"]
        return namespace

    def _runs(self) -> bool:
        return self._handover.exists() and self._join().exists and self._answers()

    def _end(self) -> None:
        if self._handover.exists():
            self._join().remove()
            self._handover.unlink()

    def _answers(self) -> bool:
        try:
            with self.administer() as connection:
                connection.search_s(BASE, ldap.SCOPE_BASE, attrlist=["dc"])
        except (ldap.SERVER_DOWN, ldap.TIMEOUT):
            return False
        return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.cache / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _as_root(self, verb: str, *flags: str) -> None:
        command = [sys.executable, "-m", "lab.samba", verb, "--cache", str(self.cache), *flags]
        root = Path(__file__).parent.parent
        try:
            run(["sudo", "-n", "env", "-C", str(root), *command])
        except LabError as error:
            raise LabError(f"Samba AD needs root, or sudo without a password: {error}") from error


def default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rtcadmin-lab" / "samba"


def main() -> int:
    parser = argparse.ArgumentParser(description="The shared Samba AD domain controller.")
    parser.add_argument("verb", choices=["start", "stop"])
    parser.add_argument("--cache", type=Path, help="where the snapshot and the live data are kept")
    parser.add_argument("--keep", action="store_true", help="start with the last run's data")
    arguments = parser.parse_args()
    controller = DomainController(arguments.cache, keep=arguments.keep)
    try:
        if arguments.verb == "start":
            controller.ensure()
        else:
            controller.end()
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.verb == "start":
        print(f"Samba AD answers at {controller.tls_uri} (CA: {controller.ca_file}).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
