"""An OpenLDAP server with the invented company in it."""

import os
from collections.abc import Iterable
from pathlib import Path

import ldap

from lab import ldif
from lab.authority import Authority
from lab.directory import DirectoryServer, Session, encoded
from lab.people import Company, Person
from lab.ports import HOST
from lab.process import LabError, Process, run
from lab.slapd_entries import (
    BIND_DN,
    LOCKED,
    POLICIES,
    ROOT_DN,
    SUFFIX,
    group_dn,
    group_entry,
    password_hash,
    person_dn,
    person_entry,
    skeleton,
)
from lab.state import State, write_private

DATABASE = "olcDatabase={1}mdb,cn=config"
CONFIG_DN = "cn=config"
SCHEMAS = ("core", "cosine", "inetorgperson", "nis")

CONFIGURATION = """\
{schemas}
# 32473 is the enterprise number kept for documentation (RFC 5612).
objectclass ( 1.3.6.1.4.1.32473.1.1 NAME 'corpPerson' DESC 'country of a person'
  SUP top AUXILIARY MAY ( c $ co ) )
# What an entry keeps of a 389 Directory Server that it came from.
attributetype ( 2.16.840.1.113730.3.1.542 NAME 'nsUniqueId' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.32473.1.2 NAME 'migratedEntry' DESC 'key of a former directory'
  SUP top AUXILIARY MAY ( nsUniqueId ) )
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload syncprov
moduleload ppolicy
pidfile {directory}/slapd.pid
argsfile {directory}/slapd.args
threads 4
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
TLSVerifyClient try
# Whoever shows the certificate CN=rtcadmin may sign in as the bind account, by SASL EXTERNAL.
authz-regexp "^cn=rtcadmin$" "{bind_dn}"

database config
rootdn "cn=config"
rootpw {config_password}

database mdb
suffix "{suffix}"
rootdn "{root_dn}"
rootpw {root_password}
directory {directory}/data
maxsize 4294967296
{sync}
index objectClass,entryUUID,entryCSN eq
index uid,mail,cn,member,memberOf eq
index modifyTimestamp eq
limits dn.exact="{bind_dn}" size=unlimited time=unlimited
access to attrs=userPassword by self write by anonymous auth by * none
access to * {readers}
overlay memberof
memberof-refint TRUE
overlay syncprov
syncprov-checkpoint 1000 10
syncprov-sessionlog 10000
overlay ppolicy
ppolicy_default "cn=default,{policies}"
ppolicy_hash_cleartext
"""
READERS = f'by dn.exact="{BIND_DN}" read by self read by * none'
NO_READERS = f'by dn.exact="{BIND_DN}" search by self read by * none'


class Slapd(DirectoryServer):
    """slapd with mdb, memberof, syncprov and ppolicy; ldap:// (with StartTLS) and ldaps://.

    A first start on `directory` makes ports, passwords and the skeleton of the tree; later ones
    find everything as it was left. `durable` makes it fsync.
    """

    def __init__(self, directory: Path, authority: Authority, *, durable: bool = True) -> None:
        self.directory = directory.absolute()
        self.authority = authority
        self.durable = durable
        self._state = State(self.directory)
        self.port = self._state.port("ldap")
        self.tls_port = self._state.port("ldaps")
        self.uri = f"ldap://{HOST}:{self.port}"
        self.tls_uri = f"ldaps://{HOST}:{self.tls_port}"
        self.ca_file = authority.certificate
        self.root_password = self._state.secret("root")
        self.bind_password = self._state.secret("bind")
        self.person_password = self._state.secret("person")
        self.data = self.directory / "data"
        self._configuration = self.directory / "slapd.conf"
        self.process = Process(
            "slapd",
            [
                "slapd", "-d", "none",
                "-f", str(self._configuration),
                "-h", f"{self.uri} {self.tls_uri}",
            ],
            log=self.directory / "slapd.log",
        )  # fmt: skip

    @property
    def empty(self) -> bool:
        """Whether nothing has been loaded yet."""
        return not (self.data / "data.mdb").exists()

    def start(self) -> None:
        if self.empty:
            self.load([])
        self._configure()
        self.process.start(self._answers)

    def stop(self) -> None:
        self.process.stop()

    def populate(self, company: Company) -> None:
        """Loads the company into a server that was never started; everybody may sign in with
        `person_password`."""
        hashed = password_hash(self.person_password)
        entries = [(person_dn(one), person_entry(one, hashed, company.groups))
                   for one in company.people]  # fmt: skip
        entries += [(group_dn(one.name), group_entry(one, company)) for one in company.groups]
        self.load(ldif.record(dn, entry) for dn, entry in entries)

    def load(self, records: Iterable[str]) -> None:
        """Loads LDIF records below the skeleton of the tree, as fast as slapadd can."""
        if self.process.running or not self.empty:
            raise LabError("slapd loads in bulk only before its first start")
        self.data.mkdir(exist_ok=True)
        self._configure()
        draft = self.directory / "load.ldif"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.writelines(ldif.record(*one) for one in skeleton(self.bind_password))
            out.writelines(records)
        try:
            run(["slapadd", "-q", "-w", "-f", str(self._configuration),
                 "-b", SUFFIX, "-l", str(draft)])  # fmt: skip
        except LabError:
            (self.data / "data.mdb").unlink(missing_ok=True)
            raise
        finally:
            draft.unlink()

    def session(self, dn: str, password: str) -> Session:
        """A connection bound as anybody."""
        return Session(self.uri, dn, password)

    def administer(self) -> Session:
        return self.session(ROOT_DN, self.root_password)

    def add_person(self, person: Person) -> str:
        """Adds somebody who may sign in with `person_password`; returns the DN."""
        self.add(person_dn(person), person_entry(person, password_hash(self.person_password)))
        return person_dn(person)

    def disable(self, dn: str) -> None:
        """Locks a person as an administrator does: ppolicy refuses every bind until enable()."""
        self.modify(dn, {"pwdAccountLockedTime": [LOCKED]})

    def enable(self, dn: str) -> None:
        self.modify(dn, {"pwdAccountLockedTime": []})

    def set_bind_password(self, password: str) -> None:
        """Rotates the console's bind password behind its back; `bind_password` stays the old."""
        self.modify(BIND_DN, {"userPassword": [password]})

    def limit_reads(self, entries: int | None) -> None:
        """Ends the bind account's paged reads after so many entries; None lifts the limit.

        Lasts until the next start.
        """
        limit = "size=unlimited time=unlimited"
        if entries is not None:
            limit += f" size.prtotal={entries}"
        self._reconfigure("olcLimits", [f'dn.exact="{BIND_DN}" {limit}'])

    def allow_reads(self, allowed: bool) -> None:
        """Takes from the bind account the right to see any entry, or gives it back: without it
        every search succeeds with nothing found. Lasts until the next start."""
        access = "to attrs=userPassword by self write by anonymous auth by * none"
        self._reconfigure("olcAccess", [access, f"to * {READERS if allowed else NO_READERS}"])

    def forget_changes(self) -> None:
        """Takes the syncprov overlay away, so that nobody can ask what changed."""
        with self.session(CONFIG_DN, self._state.secret("config")) as config:
            found = config.search_s(
                DATABASE, ldap.SCOPE_ONELEVEL, "(objectClass=olcSyncProvConfig)"
            )
            for dn, _ in found:
                config.delete_s(dn)

    def hide(self, attribute: str) -> None:
        """Takes from everybody the right to read one attribute. Lasts until the next start."""
        access = "to attrs=userPassword by self write by anonymous auth by * none"
        self._reconfigure(
            "olcAccess", [access, f"to attrs={attribute} by * none", f"to * {READERS}"]
        )

    def forget_syncprov(self) -> None:
        """Takes the overlay away that tells others what changed. Lasts until the next start."""
        with self.session(CONFIG_DN, self._state.secret("config")) as config:
            found = config.search_s(
                DATABASE, ldap.SCOPE_ONELEVEL, "(objectClass=olcSyncProvConfig)", ["1.1"]
            )
            for dn, _ in found:
                config.delete_s(dn)

    def _reconfigure(self, attribute: str, values: list[str]) -> None:
        numbered = [f"{{{place}}}{value}" for place, value in enumerate(values)]
        with self.session(CONFIG_DN, self._state.secret("config")) as config:
            config.modify_s(DATABASE, [(ldap.MOD_REPLACE, attribute, encoded(numbered))])

    def _answers(self) -> bool:
        try:
            with self.administer() as root:
                root.search_s(SUFFIX, ldap.SCOPE_BASE)
        except ldap.SERVER_DOWN:
            return False
        return True

    def _configure(self) -> None:
        leaf = self.authority.leaf("slapd")
        text = CONFIGURATION.format(
            schemas="\n".join(f"include /etc/ldap/schema/{name}.schema" for name in SCHEMAS),
            directory=self.directory,
            ca=self.ca_file,
            certificate=leaf.certificate,
            key=leaf.key,
            config_password=self._state.secret("config"),
            suffix=SUFFIX,
            root_dn=ROOT_DN,
            root_password=self.root_password,
            bind_dn=BIND_DN,
            sync="" if self.durable else "dbnosync",
            readers=READERS,
            policies=POLICIES,
        )
        write_private(self._configuration, text)
