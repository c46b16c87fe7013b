"""Observe: what an existing store holds, compared with people and accounts here. It only reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.utils import timezone

from provisioning.core.errors import KindUnavailable
from provisioning.core.moments import moment
from provisioning.core.states import MEANINGS, State
from provisioning.drivers.base import AliasRow, ForeignAccount, Kind, StoreDriver
from provisioning.models import Account, ConfigStore, Number, OwnedRow, Person, SipDomain
from provisioning.services.directory.people_index import Match, PeopleIndex, Traces, number_key
from provisioning.services.push.desired import fingerprint
from provisioning.services.rules.decide import PersonView
from provisioning.services.rules.matching import find_views
from provisioning.services.servers import driver_access

_BATCH = 1000


class Category(StrEnum):
    """What a finding says about a row of the store."""

    MATCHED = "matched"
    ORPHANED = "orphaned"
    UNKNOWN = "unknown"
    DUPLICATE = "duplicate"
    DRIFT = "drift"


LABELS: dict[Category, str] = {
    Category.MATCHED: "Matched people",
    Category.ORPHANED: "Accounts of leavers",
    Category.UNKNOWN: "Nobody known",
    Category.DUPLICATE: "Duplicate numbers",
    Category.DRIFT: "Drift",
}
MEANING: dict[Category, str] = {
    Category.MATCHED: "The account belongs to somebody in the directory, or to an account here.",
    Category.ORPHANED: "Somebody who left or is disabled could still register.",
    Category.UNKNOWN: "Neither a person nor an account here fits.",
    Category.DUPLICATE: "One number rings, or belongs to, more than one account.",
    Category.DRIFT: "Rows that the console wrote and somebody else changed or deleted.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the report; `key` is an address or a number, `person` a name."""

    category: Category
    key: str
    name: str = ""
    person: str = ""
    person_id: int | None = None
    account_id: int | None = None
    detail: str = ""


@dataclass(slots=True)
class ObserveReport:
    """Figures and examples of what a store holds at one moment."""

    store: ConfigStore
    at: datetime
    counts: Counter[Category] = field(default_factory=Counter)
    examples: dict[Category, list[Finding]] = field(default_factory=dict)
    domains: dict[str, int] = field(default_factory=dict)
    unknown_domains: list[str] = field(default_factory=list)
    people: int = 0
    people_found: int = 0

    @property
    def accounts(self) -> int:
        """Accounts in the store, whoever made them."""
        return sum(self.domains.values())

    def as_json(self) -> dict[str, Any]:
        """The report in plain values."""
        return {
            "store": self.store.name,
            "at": self.at.isoformat(),
            "accounts": self.accounts,
            "people": self.people,
            "people_found": self.people_found,
            "domains": self.domains,
            "unknown_domains": self.unknown_domains,
            "counts": {category.value: self.counts[category] for category in Category},
            "examples": {
                category.value: [asdict(finding) for finding in found]
                for category, found in self.examples.items()
            },
        }


class Observation:
    """One pass over a store: `findings` streams, `domains` and `found` grow meanwhile.

    Held in memory: keys of people, numbers with the accounts that they ring, and hashes of owned
    rows of one kind; never the rows themselves.
    """

    def __init__(self, store: ConfigStore) -> None:
        self.store = store
        self.domains: Counter[str] = Counter()
        self.found: set[int] = set()
        self.people = PeopleIndex()
        self._rings: dict[str, set[str]] = {}
        self._numbers: dict[str, list[str]] = {}

    def findings(self) -> Iterator[Finding]:
        """Every finding; raises Unreachable or Rejected when the store stops answering."""
        with driver_access.open_store(self.store) as driver:
            for row in driver.read(Kind.ALIAS):
                if isinstance(row, AliasRow):
                    self._note_alias(row)
            for batch in _batches(driver.accounts()):
                yield from self._judge(batch)
            yield from self._duplicates()
            yield from _drift(self.store, driver)

    def _note_alias(self, row: AliasRow) -> None:
        target = f"{row.user}@{row.domain}".lower()
        self._numbers.setdefault(target, []).append(row.alias_user)
        self._ring(row.alias_user, row.alias_domain, target)

    def _ring(self, number: str, domain: str, target: str) -> None:
        """An extension is a number within its SIP domain only."""
        key = number_key(number)
        self._rings.setdefault(f"+{key}" if key else f"{number}@{domain}", set()).add(target)

    def _judge(self, batch: list[ForeignAccount]) -> Iterator[Finding]:
        addresses = [f"{row.user}@{row.domain}".lower() for row in batch]
        accounts = {
            account.aor: account
            for account in Account.objects.filter(aor__in=addresses).exclude(state=State.REMOVED)
        }
        matches = [
            self.people.find(
                Traces(row.user, row.domain, row.mail, tuple(self._numbers.get(address, ())))
            )
            for row, address in zip(batch, addresses, strict=True)
        ]
        people = Person.objects.in_bulk({match.person_id for match in matches if match})
        views = {view.person_id: view for view in find_views(list(people.values()))}
        for row, address, match in zip(batch, addresses, matches, strict=True):
            self.domains[row.domain.lower()] += 1
            if number_key(row.user):
                self._ring(row.user, row.domain, address)
            person = people.get(match.person_id) if match else None
            if person is not None:
                self.found.add(person.pk)
            view = views[person.pk] if person is not None else None
            yield _finding(row, address, accounts.get(address), match, person, view)

    def _duplicates(self) -> Iterator[Finding]:
        assigned = dict(
            Number.objects.filter(account__isnull=False).values_list("e164", "account__aor")
        )
        for number, targets in self._rings.items():
            here = assigned.get(number)
            if len(targets) > 1:
                detail = f"rings {', '.join(sorted(targets))}"
            elif here is not None and here not in targets:
                detail = f"rings {next(iter(targets))}, but belongs to {here} here"
            else:
                continue
            yield Finding(Category.DUPLICATE, number, detail=detail)


def observe_store(*, store: ConfigStore, examples: int = 20) -> ObserveReport:
    """Count every finding and keep the first `examples` of each category."""
    observation = Observation(store)
    report = ObserveReport(store, timezone.now())
    report.examples = {category: [] for category in Category}
    for finding in observation.findings():
        report.counts[finding.category] += 1
        kept = report.examples[finding.category]
        if len(kept) < examples:
            kept.append(finding)
    report.domains = dict(observation.domains.most_common())
    known = set(SipDomain.objects.values_list("domain", flat=True))
    report.unknown_domains = [domain for domain in report.domains if domain not in known]
    report.people = observation.people.present
    report.people_found = len(observation.found - observation.people.left)
    return report


def _finding(
    row: ForeignAccount,
    address: str,
    account: Account | None,
    match: Match | None,
    person: Person | None,
    view: PersonView | None,
) -> Finding:
    closed = "" if row.digest_set else "; nobody can register with it"
    usable = account is None or MEANINGS[State(account.state)].usable
    gone = view is not None and (not view.present or view.is_out(moment(timezone.now())))
    if account is not None and not usable:
        category, detail = Category.ORPHANED, f"the account here is {account.state}"
    elif gone and view is not None:
        why = "left" if not view.present else "is disabled in the directory"
        category, detail = (
            Category.ORPHANED,
            f"{person} {why}; found by {match.by if match else ''}",
        )
    elif account is not None:
        category, detail = Category.MATCHED, "an account here has this SIP URI"
    elif person is not None and match is not None:
        category, detail = Category.MATCHED, f"found by {match.by}"
    elif match is not None:
        category, detail = Category.UNKNOWN, f"several people have this {match.by}"
    else:
        category, detail = Category.UNKNOWN, "no person and no account fits"
    return Finding(
        category=category,
        key=address,
        name=row.display_name,
        person=str(person) if person is not None else "",
        person_id=person.pk if person is not None else None,
        account_id=account.pk if account is not None else None,
        detail=detail + closed,
    )


def _drift(store: ConfigStore, driver: StoreDriver) -> Iterator[Finding]:
    """Owned rows whose content differs from what was last read back, and those that are gone.

    A row without content is one whose first write is under way: it says nothing yet.
    """
    for kind in Kind:
        owned = OwnedRow.objects.filter(store=store, kind=kind.value).exclude(content="")
        contents = dict(owned.values_list("key", "content"))
        if not contents:
            continue
        word = kind.label
        try:
            for row in driver.read(kind):
                content = contents.pop(row.key, None)
                if content is not None and content != fingerprint(row):
                    yield Finding(Category.DRIFT, row.key, detail=f"the {word} was changed")
        except KindUnavailable:
            continue
        for key in contents:
            yield Finding(Category.DRIFT, key, detail=f"the {word} was deleted")


def _batches(rows: Iterator[ForeignAccount]) -> Iterator[list[ForeignAccount]]:
    batch: list[ForeignAccount] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
