"""Planning accounts: decisions for affected people, with SIP URIs and numbers kept unique."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any

from django.utils import timezone

from provisioning.core.account import account_name_key, account_search_key
from provisioning.core.limits import Category
from provisioning.core.moments import moment
from provisioning.core.states import State, loses_service
from provisioning.models import Account, Number, Pin, Proposal, SipDomain
from provisioning.services.accounts.address_desk import AddressDesk
from provisioning.services.numbers.number_desk import NumberDesk, Wish
from provisioning.services.rules.decide import (
    AccountView,
    Decision,
    PersonView,
    as_fields,
    decide_account,
)
from provisioning.services.rules.rule_book import RuleBook
from provisioning.services.runs.plan import PlanWriter
from provisioning.services.runs.progress import Progress
from provisioning.services.sync.lookalikes import Lookalikes

_CHUNK = 2000
_PROPOSED = "SIP URI"
Decided = tuple[PersonView, AccountView | None, Decision]


class AccountPlanner:
    """Plans the accounts of one run."""

    def __init__(self, *, book: RuleBook, writer: PlanWriter, progress: Progress) -> None:
        self.book = book
        self.writer = writer
        self.progress = progress
        self._domains = {domain.pk: domain for domain in SipDomain.objects.all()}
        self._addresses = AddressDesk()
        self._numbers = NumberDesk()
        # Nobody has anything before the first sync.
        self._anybody = Account.objects.exists() or Number.objects.exists()
        self._postponed: list[Decided] = []
        self._lookalikes = Lookalikes()
        self._wanted: dict[int | None, str] = {}
        self._now = moment(timezone.now())

    def plan(self, people: Iterable[PersonView]) -> None:
        """Write a row for each account that has to change, each conflict that comes or goes."""
        stream = iter(people)
        while chunk := list(islice(stream, _CHUNK)):
            accounts = accounts_of([p.person_id for p in chunk if p.person_id is not None])
            decided: list[Decided] = []
            for person in chunk:
                if person.asked and person.person_id is not None:
                    self.writer.asked[person.person_id] = person.asked
                account = accounts.get(person.person_id) if person.person_id is not None else None
                decision = decide_account(
                    book=self.book, domains=self._domains, person=person, account=account,
                    now=self._now,
                )  # fmt: skip
                if person.joined or person.same_as is not None:
                    self._hand_over(person, decision)
                if account is None and decision.after is not None:
                    self._hold_lookalike(person, decision)
                decided.append((person, account, decision))
            self._settle(decided)
            self.progress.advance(len(chunk))
        self._numbers.finish()
        places = self._addresses.finish()
        self._postponed.sort(key=lambda decided: places.get(id(decided[2]), -1))
        for person, account, decision in self._postponed:
            self._write(person, account, decision)
        self._postponed = []

    def _hand_over(self, person: PersonView, decision: Decision) -> None:
        """What an entry had of its own goes to the person where their account is to have it."""
        if decision.after is None:
            return
        if person.same_as is None:
            self._wanted[person.person_id] = decision.after["number"]
        elif decision.after["number"] == self._wanted.get(person.same_as):
            decision.after["number"] = ""

    def _hold_lookalike(self, person: PersonView, decision: Decision) -> None:
        """Make no second account for somebody who may have one by another entry."""
        if doubt := self._lookalikes.doubt(person):
            decision.after = None
            decision.wants_number_of_range = False
            decision.problems = [doubt]

    def _settle(self, decided: list[Decided]) -> None:
        if self._anybody:
            moves = (d.after for _, a, d in decided if d.after and _moves(a, d.after))
            self._addresses.look_up([after["aor"] for after in moves])
            self._numbers.look_up({d.after["number"] for _, _, d in decided if d.after} - {""})
        for person, account, decision in decided:
            settled = True
            if decision.after is not None and _moves(account, decision.after):
                settled = self._addresses.settle(account, decision, decision.after)
            if self._settle_number(account, decision) and settled:
                self._write(person, account, decision)
            else:
                self._postponed.append((person, account, decision))

    def _settle_number(self, account: AccountView | None, decision: Decision) -> bool:
        if decision.after is None:
            return True
        account_id, current = (account.id, account.number) if account else (None, "")
        return self._numbers.settle(Wish(account_id, current, decision, decision.after))

    def _write(self, person: PersonView, account: AccountView | None, decision: Decision) -> None:
        self._write_problem(person, " ".join(decision.problems))
        after = decision.after
        if after is None:
            return
        if account is None:
            self._add(
                person, action="create", after={**after, **keys_of(after)},
                domain_id=after["domain"], pool_id=after["pool"],
            )  # fmt: skip
            return
        self._write_change(person, account, after, decision.alias_days)
        if decision.withdrawn:
            self._add(
                person, action="withdraw", before={_PROPOSED: decision.withdrawn}, after={},
            )  # fmt: skip
        if decision.proposed:
            self._add(
                person, action="update", before={_PROPOSED: account.aor},
                after={_PROPOSED: decision.proposed}, base_version=account.version,
                status="proposed",
                message="The rule keeps the SIP URI; its formula would now give another.",
            )  # fmt: skip

    def _write_problem(self, person: PersonView, problem: str) -> None:
        if problem == person.problem:
            return
        if problem:
            self._add(person, action="none", after={}, status="problem", message=problem)
        else:
            self._add(person, action="resolve", before={"problem": person.problem}, after={})

    def _write_change(
        self, person: PersonView, account: AccountView, after: dict[str, Any], alias_days: int
    ) -> None:
        known = as_fields(account)
        before = {field: value for field, value in known.items() if after[field] != value}
        if not before:
            return
        changes = {field: after[field] for field in before}
        if {"name", "aor", "number"} & changes.keys():
            changes |= keys_of(after)
        if "aor" in before:
            changes["user_part"] = after["user_part"]  # also where only the SIP domain changes
        if alias_days:
            changes["alias_days"] = alias_days
        self._add(
            person, action="update", before=before, after=changes, base_version=account.version,
            category=risk_of(account, after), domain_id=account.domain_id, pool_id=account.pool_id,
        )  # fmt: skip

    def _add(self, person: PersonView, **row: Any) -> None:
        self.writer.add(
            source_id=person.source_id, kind="account", key=f"{person.guid}/main",
            subject=person.guid, name=person.name, **row,
        )  # fmt: skip


def keys_of(after: dict[str, Any]) -> dict[str, str]:
    """What lists sort and search an account by."""
    return {
        "name_key": account_name_key(after["name"]),
        "search_key": account_search_key(after["name"], after["aor"], after["number"]),
    }


def risk_of(account: AccountView, after: dict[str, Any]) -> Category:
    """What the account risks by becoming `after`."""
    if account.state is State.REMOVED:
        return Category.NONE
    if loses_service(account.state, State(after["state"])):
        return Category.SERVICE
    if after["aor"] != account.aor:
        return Category.AOR
    if account.number and after["number"] != account.number:
        return Category.NUMBER
    if after["pool"] != account.pool_id:
        return Category.POOL
    return Category.NONE


def _moves(account: AccountView | None, after: dict[str, Any]) -> bool:
    """Whether the account takes a SIP URI that it does not have."""
    return account is None or account.state is State.REMOVED or after["aor"] != account.aor


def accounts_of(ids: Collection[int]) -> dict[int, AccountView]:
    """The accounts of these people, by the ids of the people."""
    if not ids:
        return {}
    rows = Account.objects.filter(person_id__in=ids, slot="main").values_list(
        "person_id", "id", "version", "state", "blocked", "domain_id", "user_part", "aor", "name",
        "pool_id", "site_id", "rule_id", "profile_id", "number__e164", "kind",
    )  # fmt: skip
    found = {
        person_id: AccountView(
            account_id, version, State(state), blocked, domain, user, aor, name, pool, site or 0,
            rule or 0, profile or 0, number or "", kind,
        )
        for person_id, account_id, version, state, blocked, domain, user, aor, name, pool, site,
            rule, profile, number, kind in rows
    }  # fmt: skip
    by_id = {account.id: account for account in found.values()}
    pins = Pin.objects.filter(account__person_id__in=ids).values_list(
        "account_id", "field", "value"
    )
    for account_id, pinned, value in pins:
        if account_id in by_id:
            by_id[account_id].pins[pinned] = value
    proposals = Proposal.objects.filter(account__in=by_id).values_list("account", "aor", "state")
    for account_id, aor, state in proposals:
        by_id[account_id].proposed = aor
        by_id[account_id].accepted = state == Proposal.State.ACCEPTED
    return found
