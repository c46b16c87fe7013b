"""Finding the person behind an account that somebody else made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from django.db.models.functions import Coalesce

from provisioning.core.errors import InvalidInput
from provisioning.core.telephone import normalise
from provisioning.models import Person

if TYPE_CHECKING:
    from django.db.models import QuerySet

# Shorter ones are extensions, which say nothing outside their SIP domain.
SHORTEST_NUMBER = 7

_PLAIN = re.compile(r"\+?[0-9]+")
_PUNCTUATION = str.maketrans("", "", " -./()")
_SEVERAL = 0

# What an account is recognised by, the surest first.
_BY_SIP_ADDRESS = "SIP address"
_BY_MAIL = "mail address"
_BY_NUMBER = "number"
_BY_LOGIN = "user name"
_BY_MAIL_NAME = "name in the mail address"


class Match(NamedTuple):
    """The person whom an account seems to belong to, and by what; 0 where it could be several."""

    person_id: int
    by: str


@dataclass(frozen=True, slots=True)
class Traces:
    """What an account at a server says of its owner."""

    user: str
    domain: str
    mail: str
    numbers: tuple[str, ...]


class PeopleIndex:
    """Every person by what identifies any of their entries.

    It holds keys and ids only, about 0.5 kB a person.

    People who are there win over people who left: a user name that was given again belongs to the
    new one.
    """

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self.left: set[int] = set()
        people = Person.objects.order_by("pk")
        here = set()
        for person_id, keys in _rows(people.filter(left_at__isnull=True)):
            here.add(person_id)
            for key in keys:
                self._ids[key] = (
                    person_id if self._ids.get(key, person_id) == person_id else _SEVERAL
                )
        self.present = len(here)
        leavers: dict[str, int] = {}
        for person_id, keys in _rows(people.filter(left_at__isnull=False)):
            if person_id not in here:
                self.left.add(person_id)
            leavers.update(dict.fromkeys(keys, person_id))
        self._ids = leavers | self._ids

    def find(self, traces: Traces) -> Match | None:
        """Who `traces` belong to, or None; the surest trace that names exactly one person wins."""
        unsure = None
        for by, key in _keys_of(traces):
            person_id = self._ids.get(key)
            if person_id:
                return Match(person_id, by)
            if person_id == _SEVERAL and unsure is None:
                unsure = Match(_SEVERAL, by)
        return unsure


def number_key(text: str, country: str = "") -> str:
    """The digits of an international number, or empty where `text` is none.

    `+`, `00` and no prefix at all are taken for the same; anything else is read as a number of
    `country` (ISO 3166), where one is given.
    """
    bare = text.strip().removeprefix("tel:").translate(_PUNCTUATION)
    if _PLAIN.fullmatch(bare) and (bare.startswith(("+", "00")) or not country):
        digits = bare.removeprefix("+")
        digits = digits.removeprefix("00")
        return digits if SHORTEST_NUMBER <= len(digits) <= 15 else ""
    try:
        return normalise(text, country).removeprefix("+") if text.strip() else ""
    except InvalidInput:
        return ""


def _rows(people: QuerySet[Person]) -> Iterator[tuple[int, list[str]]]:
    owner = Coalesce("same_as", "pk")
    columns = people.values_list(owner, "login", "mail", "sip_address", "phone", "country")
    for person_id, login, mail, sip_address, phone, country in columns.iterator():
        mail = mail.lower()
        keys = [
            f"login {login.lower()}" if login else "",
            f"mail {mail}" if mail else "",
            f"name {mail.partition('@')[0]}" if "@" in mail else "",
            f"sip {_bare_address(sip_address)}" if sip_address else "",
        ]
        number = number_key(phone, country if len(country) == 2 else "")
        keys.append(f"number {number}" if number else "")
        yield person_id, [key for key in keys if key]


def _keys_of(traces: Traces) -> Iterator[tuple[str, str]]:
    user, address = traces.user.lower(), f"{traces.user}@{traces.domain}".lower()
    yield _BY_SIP_ADDRESS, f"sip {address}"
    yield _BY_MAIL, f"mail {address}"
    if traces.mail:
        yield _BY_MAIL, f"mail {traces.mail.lower()}"
    for number in (*traces.numbers, traces.user):
        key = number_key(number)
        if key:
            yield _BY_NUMBER, f"number {key}"
    yield _BY_LOGIN, f"login {user}"
    yield _BY_MAIL_NAME, f"name {user}"


def _bare_address(address: str) -> str:
    return address.strip().lower().removeprefix("sips:").removeprefix("sip:").partition(";")[0]
