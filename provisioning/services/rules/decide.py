"""Deciding accounts: what the rules, the pins and the directory make of each person."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from provisioning.core.errors import InvalidInput
from provisioning.core.states import Standing, State, decide_state, is_out
from provisioning.models import SipDomain
from provisioning.services.rules.rule_book import CompiledRule, Places, RuleBook


@dataclass(slots=True)
class PersonView:
    """A person as the run will leave them.

    Of somebody with several entries `joined` are the places of those that are there, and the values
    are what they say together; `same_as` is the id of the person that an entry belongs to, None for
    one that is its own.
    """

    source_id: int
    guid: str
    values: dict[str, Any]
    present: bool
    groups: Collection[int]
    person_id: int | None = None
    problem: str = ""
    asked: int = 0
    same_as: int | None = None
    joined: Places = ()

    @property
    def places(self) -> Places:
        """Where the person is in a directory."""
        return self.joined or ((self.source_id, self.values["dn"]),)

    @property
    def name(self) -> str:
        """What the account is called."""
        return str(self.values["display_name"] or self.values["login"])

    def is_out(self, now: str) -> bool:
        """Whether the directory says that the person has no service now."""
        values = self.values
        return is_out(disabled=values["disabled"], expires_at=values["expires_at"], now=now)


@dataclass(slots=True)
class AccountView:
    """The account that a person has now, with its number and pins."""

    id: int
    version: int
    state: State
    blocked: bool
    domain_id: int
    user_part: str
    aor: str
    name: str
    pool_id: int
    site_id: int
    rule_id: int
    profile_id: int
    number: str
    kind: str
    pins: dict[str, str] = field(default_factory=dict)
    proposed: str = ""
    accepted: bool = False


@dataclass(slots=True)
class Decision:
    """What a person's account should be; `after` is None when there shall be none.

    `alias_days` is how long the former SIP URI leads on; `proposed` is one that somebody has to
    accept first, `withdrawn` a proposal that fell away.
    """

    after: dict[str, Any] | None
    rule: CompiledRule | None = None
    problems: list[str] = field(default_factory=list)
    proposed: str = ""
    wants_number_of_range: bool = False
    alias_days: int = 0
    withdrawn: str = ""


def decide_account(
    *,
    book: RuleBook,
    domains: dict[int, SipDomain],
    person: PersonView,
    account: AccountView | None,
    now: str,
) -> Decision:
    """The desired account of one person at the moment `now`; pure.

    That nobody else has the same is the planner's.

    A problem never raises: it is returned in words, and what it concerns stays as it is. Somebody
    whose account was removed gets a new one, in its place.
    """
    rule = None
    if person.present:
        rule = book.match(places=person.places, values=person.values, groups=person.groups)
    if account is not None and account.state is not State.REMOVED:
        return _known_account(book, domains, person, account, rule, now)
    if rule is None:
        return Decision(None)
    return _new_account(
        book, domains, person, rule, now, blocked=account is not None and account.blocked
    )


def _known_account(
    book: RuleBook, domains: dict[int, SipDomain], person: PersonView, account: AccountView,
    rule: CompiledRule | None, now: str,
) -> Decision:  # fmt: skip
    standing = Standing(
        present=person.present,
        disabled=person.is_out(now) or (rule is not None and _disables(rule, person)),
        matched=rule is not None,
        blocked=account.blocked,
        pinned=State(account.pins["state"]) if "state" in account.pins else None,
        existed=account.state is not State.PREPARED,
    )
    after = {
        **as_fields(account),
        "state": decide_state(standing).value,
        "name": person.name,
        "kind": person.values["kind"],
    }
    decision = Decision(after, rule)
    if rule is not None:
        _follow_rule(book, domains, person, account, rule, decision, after)
    _apply_pins(account, domains, after)
    return decision


def _new_account(
    book: RuleBook, domains: dict[int, SipDomain], person: PersonView, rule: CompiledRule, now: str,
    *, blocked: bool,
) -> Decision:  # fmt: skip
    decision = Decision(None, rule)
    try:
        user = rule.user_part(person.values)
    except InvalidInput as error:
        decision.problems.append(error.message)
        return decision
    standing = Standing(
        present=True,
        disabled=person.is_out(now) or _disables(rule, person),
        matched=True,
        blocked=blocked,
        existed=False,
    )
    after: dict[str, Any] = {
        "state": decide_state(standing).value,
        "domain": rule.rule.domain_id,
        "user_part": user,
        "aor": f"{user}@{domains[rule.rule.domain_id].domain}",
        "pool": rule.rule.pool_id,
        "site": _site_id(book, person),
        "rule": rule.rule.id,
        "profile": rule.rule.profile_id or 0,
        "number": "",
        "name": person.name,
        "kind": person.values["kind"],
    }
    decision.after = after
    _take_number(book, person, rule, "", decision, after)
    return decision


def as_fields(account: AccountView) -> dict[str, Any]:
    """What a plan's row shows and writes of an account; 0 stands for "none" in references."""
    return {
        "state": account.state.value, "domain": account.domain_id, "user_part": account.user_part,
        "aor": account.aor, "pool": account.pool_id, "site": account.site_id,
        "rule": account.rule_id, "profile": account.profile_id, "number": account.number,
        "name": account.name, "kind": account.kind,
    }  # fmt: skip


def _site_id(book: RuleBook, person: PersonView) -> int:
    site = book.site_of(person.values)
    return site.id if site else 0


def _follow_rule(
    book: RuleBook, domains: dict[int, SipDomain], person: PersonView, account: AccountView,
    rule: CompiledRule, decision: Decision, after: dict[str, Any],
) -> None:  # fmt: skip
    after["site"] = _site_id(book, person)
    after["rule"] = rule.rule.id
    after["profile"] = rule.rule.profile_id or 0
    after["pool"] = rule.rule.pool_id
    if "user_part" not in account.pins:
        _follow_formula(domains, person, account, rule, decision, after)
    if "number" not in account.pins:
        _take_number(book, person, rule, account.number, decision, after)


def _follow_formula(
    domains: dict[int, SipDomain], person: PersonView, account: AccountView, rule: CompiledRule,
    decision: Decision, after: dict[str, Any],
) -> None:  # fmt: skip
    try:
        user = rule.user_part(person.values)
    except InvalidInput as error:
        decision.problems.append(error.message)
        return
    aor = f"{user}@{domains[rule.rule.domain_id].domain}"
    if aor == account.aor:
        decision.withdrawn = account.proposed
    elif rule.rule.follow_user or (account.accepted and aor == account.proposed):
        after.update(user_part=user, domain=rule.rule.domain_id, aor=aor)
        decision.alias_days = rule.rule.alias_days
    elif aor != account.proposed:
        decision.proposed = aor


def _disables(rule: CompiledRule, person: PersonView) -> bool:
    values = person.values
    return rule.disables(
        locked_out=values["locked_out"], must_change_password=values["must_change_password"]
    )


def _take_number(
    book: RuleBook, person: PersonView, rule: CompiledRule, current: str, decision: Decision,
    after: dict[str, Any],
) -> None:  # fmt: skip
    kind = rule.rule.number_source
    if kind == "range":
        decision.wants_number_of_range = not current
    elif kind == "directory" and (rule.rule.follow_number or not current):
        try:
            after["number"] = rule.number(person.values, book.region_of(person.values))
        except InvalidInput as error:
            after["number"] = current
            decision.problems.append(error.message)


def _apply_pins(account: AccountView, domains: dict[int, SipDomain], after: dict[str, Any]) -> None:
    pins = account.pins
    if "user_part" in pins:
        after["user_part"] = pins["user_part"]
        after["domain"] = account.domain_id
        after["aor"] = f"{pins['user_part']}@{domains[account.domain_id].domain}"
    if "number" in pins:
        after["number"] = pins["number"]
    for reference in ("pool", "site", "profile"):
        if reference in pins:
            after[reference] = int(pins[reference] or 0)
