"""Planning accounts: decisions for the people that a run affects, with SIP URIs and numbers kept unique."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from provisioning.core.account import account_name_key, account_search_key
from provisioning.core.limits import Category
from provisioning.core.states import State, loses_service
from provisioning.models import Account, Pin, SipDomain
from provisioning.services.decide import AccountView, Decision, PersonView, decide_account
from provisioning.services.number_desk import NumberDesk, Wish
from provisioning.services.plan import PlanWriter
from provisioning.services.progress import Progress
from provisioning.services.rule_book import RuleBook

_CHUNK = 2000
# What an account row of a plan shows and writes; 0 stands for "none" in references.
FIELDS = (
    "state",
    "domain",
    "user_part",
    "aor",
    "pool",
    "site",
    "rule",
    "profile",
    "number",
    "name",
)
Decided = tuple[PersonView, AccountView | None, Decision]


class AccountPlanner:
    """Plans the accounts of one run."""

    def __init__(self, *, book: RuleBook, writer: PlanWriter, progress: Progress) -> None:
        self.book = book
        self.writer = writer
        self.progress = progress
        self.problems: dict[tuple[int, str], str] = {}
        self._domains = {domain.pk: domain for domain in SipDomain.objects.all()}
        self._claimed_aors: dict[str, str] = {}
        self._numbers = NumberDesk()
        self._postponed: list[Decided] = []

    def plan(self, people: Iterable[PersonView]) -> None:
        """Write a row for each account that has to change; conflicts are kept per person in `problems`."""
        stream = iter(people)
        while chunk := list(islice(stream, _CHUNK)):
            accounts = _accounts_of(chunk)
            decided: list[Decided] = []
            for person in chunk:
                account = accounts.get(person.person_id) if person.person_id is not None else None
                decision = decide_account(
                    book=self.book, domains=self._domains, person=person, account=account
                )
                decided.append((person, account, decision))
            self._settle(decided)
            self.progress.advance(len(chunk))
        self._numbers.finish()
        for person, account, decision in self._postponed:
            self._write(person, account, decision)
        self._postponed = []

    def _settle(self, decided: list[Decided]) -> None:
        holders = _holders(
            [d.after["aor"] for _, account, d in decided if d.after and _moves(account, d)]
        )
        self._numbers.look_up([decision for _, _, decision in decided])
        for person, account, decision in decided:
            if decision.after is not None and _moves(account, decision):
                self._settle_aor(account, decision, decision.after, holders)
            if decision.after is None or self._numbers.settle(
                Wish(account.id if account else None, account.number if account else "", decision)
            ):
                self._write(person, account, decision)
            else:
                self._postponed.append((person, account, decision))

    def _settle_aor(
        self,
        account: AccountView | None,
        decision: Decision,
        after: dict[str, Any],
        holders: dict[str, tuple[int, str]],
    ) -> None:
        aor = after["aor"]
        holder = holders.get(aor)
        taken_by = holder[1] if holder and (account is None or holder[0] != account.id) else ""
        taken_by = taken_by or self._claimed_aors.get(aor, "")
        if not taken_by:
            self._claimed_aors[aor] = str(after["name"])
            return
        decision.problems.append(f"The SIP URI {aor} already belongs to {taken_by}.")
        if account is None:
            decision.after = None
        else:
            after.update(aor=account.aor, user_part=account.user_part, domain=account.domain_id)

    def _write(self, person: PersonView, account: AccountView | None, decision: Decision) -> None:
        problem = " ".join(decision.problems)
        name = person.values["display_name"] or person.values["login"]
        key = f"{person.guid}/main"
        if problem != person.problem:
            self.problems[(person.source_id, person.guid)] = problem
            if problem:
                self.writer.add(
                    source_id=person.source_id, kind="account", key=key, subject=person.guid, name=name,
                    action="none", after={}, status="problem", message=problem,
                )  # fmt: skip
        after = decision.after
        if after is None:
            return
        if account is None:
            self.writer.add(
                source_id=person.source_id, kind="account", key=key, subject=person.guid, name=name,
                action="create", after={**after, **_keys(after)}, domain_id=after["domain"], pool_id=after["pool"],
            )  # fmt: skip
            return
        self._write_change(person, account, after, key, name)
        for what, (old, new) in decision.proposals.items():
            self.writer.add(
                source_id=person.source_id, kind="account", key=key, subject=person.guid, name=name,
                action="update", before={what: old}, after={what: new}, base_version=account.version,
                status="proposed", message=f"The rule keeps the {what}; its formula would now give another.",
            )  # fmt: skip

    def _write_change(
        self, person: PersonView, account: AccountView, after: dict[str, Any], key: str, name: str
    ) -> None:
        before = _as_fields(account)
        changed = [field for field in FIELDS if after[field] != before[field]]
        if not changed:
            return
        changes = {field: after[field] for field in changed}
        if {"name", "aor", "number"} & changes.keys():
            changes |= _keys(after)
        self.writer.add(
            source_id=person.source_id, kind="account", key=key, subject=person.guid, name=name, action="update",
            before={field: before[field] for field in changed}, after=changes, base_version=account.version,
            category=_risk(account, after), domain_id=account.domain_id, pool_id=account.pool_id,
        )  # fmt: skip


def _keys(after: dict[str, Any]) -> dict[str, str]:
    return {
        "name_key": account_name_key(after["name"]),
        "search_key": account_search_key(after["name"], after["aor"], after["number"]),
    }


def _risk(account: AccountView, after: dict[str, Any]) -> Category:
    if loses_service(account.state, State(after["state"])):
        return Category.SERVICE
    if after["aor"] != account.aor:
        return Category.AOR
    if account.number and after["number"] != account.number:
        return Category.NUMBER
    if after["pool"] != account.pool_id:
        return Category.POOL
    return Category.NONE


def _moves(account: AccountView | None, decision: Decision) -> bool:
    after = decision.after
    if after is None:
        return False
    return account is None or after["aor"] != account.aor or account.state is State.REMOVED


def _as_fields(account: AccountView) -> dict[str, Any]:
    return {
        "state": account.state.value, "domain": account.domain_id, "user_part": account.user_part,
        "aor": account.aor, "pool": account.pool_id, "site": account.site_id, "rule": account.rule_id,
        "profile": account.profile_id, "number": account.number, "name": account.name,
    }  # fmt: skip


def _accounts_of(people: list[PersonView]) -> dict[int, AccountView]:
    ids = [person.person_id for person in people if person.person_id is not None]
    if not ids:
        return {}
    rows = Account.objects.filter(person_id__in=ids, slot="main").values_list(
        "person_id", "id", "version", "state", "blocked", "domain_id", "user_part", "aor", "name", "pool_id",
        "site_id", "rule_id", "profile_id", "number__e164",
    )  # fmt: skip
    found = {
        person_id: AccountView(
            account_id, version, State(state), blocked, domain, user, aor, name, pool, site or 0, rule or 0,
            profile or 0, number or "",
        )
        for person_id, account_id, version, state, blocked, domain, user, aor, name, pool, site, rule, profile, number
        in rows
    }  # fmt: skip
    by_id = {account.id: account for account in found.values()}
    pins = Pin.objects.filter(account__person_id__in=ids).values_list(
        "account_id", "field", "value"
    )
    for account_id, pinned, value in pins:
        if account_id in by_id:
            by_id[account_id].pins[pinned] = value
    return found


def _holders(aors: list[str]) -> dict[str, tuple[int, str]]:
    """Who has which of the `aors`: account id and name."""
    if not aors:
        return {}
    rows = (
        Account.objects.filter(aor__in=aors)
        .exclude(state=State.REMOVED)
        .values_list("aor", "id", "name")
    )
    return {aor: (account_id, name) for aor, account_id, name in rows}
