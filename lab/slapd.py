"""An OpenLDAP server with the invented company in it."""

import base64
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import ldap
from ldap.dn import escape_dn_chars
from ldap.ldapobject import LDAPObject

from lab import ldif
from lab.authority import Authority
from lab.people import Company, Group, Person
from lab.ports import HOST
from lab.process import Counterpart, LabError, Process, run
from lab.state import State, write_private

SUFFIX = "dc=corp,dc=example"
PEOPLE = f"ou=People,{SUFFIX}"
GROUPS = f"ou=Groups,{SUFFIX}"
LEAVERS = f"ou=Leavers,{SUFFIX}"
SERVICES = f"ou=Services,{SUFFIX}"
POLICIES = f"ou=Policies,{SUFFIX}"
ROOT_DN = f"cn=admin,{SUFFIX}"
BIND_DN = f"cn=rtcadmin,{SERVICES}"
DATABASE = "olcDatabase={1}mdb,cn=config"
CONFIG_DN = "cn=config"
# groupOfNames demands a member, so an empty group is commonly kept with one that does not exist.
NOBODY = f"cn=nobody,{SUFFIX}"
# "Locked by an administrator, for good": draft-behera-ldap-password-policy-10, section 5.3.3.
LOCKED = "000001010000Z"
SCHEMAS = ("core", "cosine", "inetorgperson")

CONFIGURATION = """\
{schemas}
# 32473 is the enterprise number kept for documentation (RFC 5612).
objectclass ( 1.3.6.1.4.1.32473.1.1 NAME 'corpPerson' DESC 'country of a person'
  SUP top AUXILIARY MAY ( c $ co ) )
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
overlay syncprov
syncprov-checkpoint 1000 10
syncprov-sessionlog 10000
overlay ppolicy
ppolicy_default "cn=default,{policies}"
ppolicy_hash_cleartext
"""
READERS = f'by dn.exact="{BIND_DN}" read by self read by * none'
NO_READERS = f'by dn.exact="{BIND_DN}" search by self read by * none'


def person_dn(person: Person) -> str:
    return f"uid={escape_dn_chars(person.uid)},{PEOPLE}"


def group_dn(name: str) -> str:
    return f"cn={escape_dn_chars(name)},{GROUPS}"


class Slapd(Counterpart):
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
        password = _ssha(self.person_password)
        records = [ldif.record(person_dn(one), self._person(one, password, company))
                   for one in company.people]  # fmt: skip
        records += [ldif.record(group_dn(one.name), self._group(one, company))
                    for one in company.groups]  # fmt: skip
        self.load(records)

    def load(self, records: Iterable[str]) -> None:
        """Loads LDIF records below the skeleton of the tree, as fast as slapadd can."""
        if self.process.running or not self.empty:
            raise LabError("slapd loads in bulk only before its first start")
        self.data.mkdir(exist_ok=True)
        self._configure()
        draft = self.directory / "load.ldif"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.writelines(self._skeleton())
            out.writelines(records)
        try:
            run(["slapadd", "-q", "-w", "-f", str(self._configuration),
                 "-b", SUFFIX, "-l", str(draft)])  # fmt: skip
        except LabError:
            (self.data / "data.mdb").unlink(missing_ok=True)
            raise
        finally:
            draft.unlink()

    @contextmanager
    def session(self, dn: str = ROOT_DN, password: str = "") -> Iterator[LDAPObject]:
        """A connection bound as the root DN, or as anybody else with their password."""
        connection = ldap.initialize(self.uri)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 5)
        connection.set_option(ldap.OPT_TIMEOUT, 20)
        try:
            connection.simple_bind_s(dn, password or self.root_password)
            yield connection
        finally:
            connection.unbind_s()

    def add(self, dn: str, attributes: Mapping[str, Iterable[str]]) -> None:
        entry = [(name, _bytes(values)) for name, values in attributes.items()]
        with self.session() as root:
            root.add_s(dn, [(name, values) for name, values in entry if values])

    def add_person(self, person: Person) -> str:
        """Adds somebody who may sign in with `person_password`; returns the DN."""
        self.add(person_dn(person), self._person(person, _ssha(self.person_password)))
        return person_dn(person)

    def modify(self, dn: str, attributes: Mapping[str, Iterable[str]]) -> None:
        """Replaces the values of each attribute; no values remove it."""
        changes = [(ldap.MOD_REPLACE, name, _bytes(values)) for name, values in attributes.items()]
        with self.session() as root:
            root.modify_s(dn, changes)

    def add_member(self, group: str, dn: str) -> None:
        with self.session() as root:
            root.modify_s(group, [(ldap.MOD_ADD, "member", _bytes([dn]))])

    def remove_member(self, group: str, dn: str) -> None:
        with self.session() as root:
            root.modify_s(group, [(ldap.MOD_DELETE, "member", _bytes([dn]))])

    def rename(self, dn: str, rdn: str, *, parent: str | None = None) -> str:
        """Renames an entry, or moves it below `parent`; returns its new DN."""
        with self.session() as root:
            root.rename_s(dn, rdn, parent)
        return f"{rdn},{parent or dn.partition(',')[2]}"

    def delete(self, dn: str) -> None:
        with self.session() as root:
            root.delete_s(dn)

    def disable(self, dn: str) -> None:
        """Locks a person out as an administrator does: no bind until enable()."""
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

    def _reconfigure(self, attribute: str, values: list[str]) -> None:
        numbered = [f"{{{place}}}{value}" for place, value in enumerate(values)]
        with self.session(CONFIG_DN, self._state.secret("config")) as config:
            config.modify_s(DATABASE, [(ldap.MOD_REPLACE, attribute, _bytes(numbered))])

    def _answers(self) -> bool:
        try:
            with self.session() as root:
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

    def _skeleton(self) -> Iterator[str]:
        yield ldif.record(
            SUFFIX, {"objectClass": ["dcObject", "organization"], "dc": ["corp"], "o": ["Corp"]}
        )
        for dn in (PEOPLE, GROUPS, LEAVERS, SERVICES, POLICIES):
            name = dn.partition(",")[0].removeprefix("ou=")
            yield ldif.record(dn, {"objectClass": ["organizationalUnit"], "ou": [name]})
        yield ldif.record(
            BIND_DN,
            {
                "objectClass": ["organizationalRole", "simpleSecurityObject"],
                "cn": ["rtcadmin"],
                "userPassword": [_ssha(self.bind_password)],
            },
        )
        # Without pwdLockout the overlay ignores that somebody is locked.
        yield ldif.record(
            f"cn=default,{POLICIES}",
            {
                "objectClass": ["device", "pwdPolicy"],
                "cn": ["default"],
                "pwdAttribute": ["userPassword"],
                "pwdLockout": ["TRUE"],
            },
        )

    def _person(
        self, person: Person, password: str, company: Company | None = None
    ) -> dict[str, list[str]]:
        site = person.site
        entry = {
            "objectClass": ["inetOrgPerson", "corpPerson"],
            "uid": [person.uid],
            "cn": [person.name],
            "sn": [person.surname],
            "givenName": [person.given_name],
            "displayName": [person.name],
            "mail": [person.mail],
            "telephoneNumber": [person.number],
            "mobile": [person.mobile],
            "employeeNumber": [person.employee_number],
            "title": [person.title],
            "departmentNumber": [person.department],
            "physicalDeliveryOfficeName": [site.office],
            "l": [site.locality],
            "c": [site.country],
            "co": [site.country_name],
            "manager": [f"uid={person.manager},{PEOPLE}"] if person.manager else [],
            "userPassword": [password],
            "pwdAccountLockedTime": [LOCKED] if person.disabled else [],
        }
        if company is not None:
            entry["memberOf"] = [
                group_dn(group.name) for group in company.groups if person.uid in group.people
            ]
        return {name: [value for value in values if value] for name, values in entry.items()}

    def _group(self, group: Group, company: Company) -> dict[str, list[str]]:
        members = [f"uid={uid},{PEOPLE}" for uid in group.people]
        members += [group_dn(name) for name in group.groups]
        parents = [parent.name for parent in company.groups if group.name in parent.groups]
        return {
            "objectClass": ["groupOfNames"],
            "cn": [group.name],
            "description": [group.description],
            "member": members or [NOBODY],
            "memberOf": [group_dn(name) for name in parents],
        }


def _bytes(values: Iterable[str]) -> list[bytes]:
    return [value.encode() for value in values]


def _ssha(password: str) -> str:
    """A salted hash as slapd keeps it; its scheme, not a choice of this project."""
    salt = os.urandom(8)
    digest = hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()
