"""The main job without a person: from the directory to a registered client, and away again.

Prints one line per step and at last one JSON object; exits 0 only if every step held.
"""

import configparser
import json
import shutil
import signal
import ssl
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree

import httpx

from lab.administrator import Administrator
from lab.console import forget_settings
from lab.demo import Stop, say, stop_on_signals
from lab.demo_setup import DOMAIN
from lab.kamailio import RpcError
from lab.linphone import Linphone
from lab.people import Person
from lab.process import LabError, tail, wait_until
from lab.sip import Login, Response, SipClient
from lab.slapd_entries import person_dn
from lab.system import USER, System

# Ends what hangs; what is promised is measured.
LIMIT = 300
INTERVAL = 10
# One interval, the sync, the push; and a machine that is busy with something else.
PATIENCE = 120.0
# A web server that was just started loads the console with its first request.
FIRST_ANSWER = 60.0
# What docs/states.md promises of a leaver.
PROMISED = 60.0
HELPDESK = "Console helpdesk"
XML = "{http://www.linphone.org/xsds/lpconfig.xsd}"


class Check:
    """The steps in their order, each a method that raises LabError when it does not hold."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.began = time.monotonic()
        self.leaver, self.control = _two_people(system)
        self.colleague = _colleague(system)
        self.facts: dict[str, object] = {}
        self._tls = ssl.create_default_context(cafile=system.directory.ca_file)

    def run(self) -> None:
        """Goes through all of it; the system runs already."""
        self._counts()
        with Administrator(self.system.console.address, USER, self.system.password) as console:
            self.step(f"{USER} is signed in at {self.system.console.address}")
            leaver = console.find_account(_aor(self.leaver))
            control = console.find_account(_aor(self.control))
            first, unused = (console.make_link(leaver, "linphone") for _ in range(2))
            known, kept = (console.make_link(control, "linphone") for _ in range(2))
            self.step(f"two one-time links each for {_aor(self.leaver)} and {_aor(self.control)}")
            control_login = _login(self._fetch(known))
            self.step("the document of the control person came over HTTPS")
            colleague = console.find_account(_aor(self.colleague))
            theirs, spare = (console.make_link(colleague, "linphone") for _ in range(2))
            colleague_login = _login(self._fetch(theirs))
            with self._phone(first) as phone, self._signed_in() as session:
                self._registers(phone)
                self._console_shows(console, leaver)
                leaver_login = _login_of(phone)
                self._accepted(leaver_login, "the client's own credentials register elsewhere too")
                self._accepted(control_login, "the control person registers")
                self._stays_registered(colleague_login)
                began = time.monotonic()
                self.system.directory.delete(person_dn(self.colleague))
                self.step(f"{self.colleague.uid}, who also signs in here, is deleted there as well")
                self._disable_and_wait(leaver_login)
                self._left(colleague_login, session, began)
            self._refused_link(spare, "the deleted person's unused link answers 404")
            page = console.account_page(colleague)
            self._require("Grace" in page, "the console keeps the account of whoever left in grace")
            self._console_forgot(console, leaver)
        self._refused_link(first, "the used link answers 404")
        self._refused_link(unused, "the leaver's unused second link answers 404")
        self._accepted(control_login, "the control person still registers")
        self._require(self._status(kept) == httpx.codes.OK, "the control person's link answers 200")
        self.facts["seconds"] = round(time.monotonic() - self.began, 1)

    def step(self, text: str) -> None:
        say(f"{time.monotonic() - self.began:6.1f} s  {text}")

    def _require(self, holds: bool, text: str) -> None:
        if not holds:
            raise LabError(f"This does not hold: {text}.")
        self.step(text)

    def _counts(self) -> None:
        system = self.system
        users, accounts = system.count_people(), system.count_accounts()
        pushed = system.count_subscribers()
        self.facts |= {"users": users, "accounts": accounts, "pushed": pushed}
        self._require(users == len(system.company.people), f"{users} people were read")
        self._require(0 < accounts <= users, f"{accounts} accounts were made by the rules")
        self._require(
            0 < pushed <= accounts, f"{pushed} subscribers are in Kamailio's own database"
        )

    def _phone(self, link: str) -> Linphone:
        return Linphone(self.system.state / "phone", link, self.system.directory.ca_file)

    def _registers(self, phone: Linphone) -> None:
        registration = phone.registration()
        self._require(
            registration.accepted,
            f"linphone fetched its profile and registered over TLS ({registration.said})",
        )
        contacts = json.dumps(self.system.server.rpc("ul.lookup", ["location", _aor(self.leaver)]))
        self._require("transport=tls" in contacts.lower(), "Kamailio has its contact, over TLS")
        self.facts["registered"] = 1

    def _console_shows(self, console: Administrator, account: int) -> None:
        card = console.registrations(account)
        self._require(_is_listed(self.leaver, card), "the console sees it registered")

    def _disable_and_wait(self, login: Login) -> None:
        changed = time.monotonic()
        self.system.directory.disable(person_dn(self.leaver))
        self.step(f"{self.leaver.uid} is disabled in the directory; the schedule does the rest")
        wait_until(
            lambda: self._is_gone(self.leaver), timeout=PATIENCE, what="the registration ends"
        )
        answer = self._register(login)
        self.facts["deregistered_seconds"] = round(time.monotonic() - changed, 1)
        self.step("Kamailio has no contact of that address any more")
        self._require(
            answer.status == 401,
            f"a REGISTER with the same credentials is refused ({answer.status} {answer.reason})",
        )

    def _signed_in(self) -> Administrator:
        """The colleague's own session, with the directory's password."""
        password = self.system.directory.person_password
        return Administrator(self.system.console.address, self.colleague.uid, password)

    def _stays_registered(self, login: Login) -> None:
        answer = self._register(login, stay=True)
        self._require(
            answer.status == 200 and not self._is_gone(self.colleague),
            f"{self.colleague.uid} is registered ({answer.status} {answer.reason})",
        )

    def _left(self, login: Login, session: Administrator, began: float) -> None:
        """Of whoever was deleted nothing works any more, within what is promised."""
        wait_until(
            lambda: self._is_gone(self.colleague), timeout=PATIENCE, what="the registration ends"
        )
        answer = self._register(login)
        self._require(answer.status == 401, "the credentials of the deleted person are refused")
        self._require(not session.is_signed_in(), "and so is the session at the console")
        seconds = time.monotonic() - began
        self.facts["left_seconds"] = round(seconds, 1)
        self._require(seconds < PROMISED, f"that took less than {PROMISED:.0f} s")

    def _is_gone(self, person: Person) -> bool:
        self.system.check()
        try:
            self.system.server.rpc("ul.lookup", ["location", _aor(person)])
        except RpcError as error:
            return "not found" in str(error)
        return False

    def _console_forgot(self, console: Administrator, account: int) -> None:
        card = console.registrations(account)
        self._require(not _is_listed(self.leaver, card), "the console sees nobody registered there")
        page = console.account_page(account)
        self._require("Disabled" in page, "the console shows the account as disabled")

    def _accepted(self, login: Login, text: str) -> None:
        answer = self._register(login)
        self._require(answer.status == 200, f"{text} ({answer.status} {answer.reason})")

    def _register(self, login: Login, *, stay: bool = False) -> Response:
        server = self.system.server
        ca = self.system.directory.ca_file
        with SipClient(server.tls_port, "tls", ca_file=ca, host="localhost") as client:
            answer = client.register(login)
            if answer.status == 200 and not stay:
                client.register(login, expires=0)
        return answer

    def _fetch(self, link: str) -> httpx.Response:
        return httpx.get(link, verify=self._tls, timeout=FIRST_ANSWER)

    def _status(self, link: str) -> int:
        return self._fetch(link).status_code

    def _refused_link(self, link: str, text: str) -> None:
        self._require(self._status(link) == httpx.codes.NOT_FOUND, text)


def _two_people(system: System) -> tuple[Person, Person]:
    """Two ordinary people with telephony: somebody to disable, and a control."""
    telephony = system.company.members("Telephony users")
    ordinary = [
        person
        for person in system.company.people[40:]
        if person.uid in telephony and not person.disabled and person.number.startswith("+")
    ]
    return ordinary[0], ordinary[1]


def _colleague(system: System) -> Person:
    """Somebody with telephony who also signs in to the console."""
    both = system.company.members(HELPDESK) & system.company.members("Telephony users")
    return next(
        person
        for person in system.company.people
        if person.uid in both and not person.disabled and person.number.startswith("+")
    )


def _is_listed(person: Person, card: str) -> bool:
    """Whether a card of live registrations shows a contact of the person, over TLS."""
    return f"sip:{person.uid}@" in card and "TLS" in card


def _aor(person: Person) -> str:
    return f"{person.uid}@{DOMAIN}"


def _login(answer: httpx.Response) -> Login:
    """The credentials in a Linphone profile."""
    if answer.status_code != httpx.codes.OK:
        raise LabError(f"the link answered {answer.status_code}")
    document = ElementTree.fromstring(answer.content)  # noqa: S314 - the console's own
    section = document.find(f"{XML}section[@name='auth_info_0']")
    entries = {} if section is None else {each.get("name"): each.text or "" for each in section}
    return Login(entries["username"], entries["domain"], ha1=entries["ha1"])


def _login_of(phone: Linphone) -> Login:
    """The credentials that the client kept of the profile it fetched."""

    def kept() -> configparser.SectionProxy | None:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.read(phone.configuration)
        return parser["auth_info_0"] if parser.has_section("auth_info_0") else None

    wait_until(lambda: kept() is not None, timeout=60.0, what="linphone keeps its profile")
    section = kept()
    if section is None:
        raise LabError("linphone forgot its profile")
    return Login(section["username"], section["domain"], ha1=section["ha1"])


def _within(seconds: int, action: Callable[[], None]) -> None:
    def expire(*_: object) -> NoReturn:
        raise LabError(f"It took longer than {seconds} s.")

    signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    try:
        action()
    finally:
        signal.alarm(0)


def main() -> int:
    forget_settings()
    stop_on_signals()
    state = Path(tempfile.mkdtemp(prefix="rtcadmin-check-"))
    facts: dict[str, object] = {}

    def check() -> None:
        began = time.monotonic()
        with System(state, interval=INTERVAL, durable=False) as system:
            steps = Check(system)
            steps.began, steps.facts = began, facts
            steps.step("directory, SIP server and console are up; the first sync and push are done")
            steps.run()

    try:
        _within(LIMIT, check)
    except Stop:
        shutil.rmtree(state, ignore_errors=True)
        return 130
    except (LabError, OSError, httpx.HTTPError) as error:
        say(f"FAILED  {error}")
        say(tail(state / "console/logs/worker.log"))
        say(f"Logs and data are left in {state}")
        say(json.dumps(facts | {"failed": str(error).splitlines()[0]}, ensure_ascii=False))
        return 1
    shutil.rmtree(state, ignore_errors=True)
    say(json.dumps(facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
