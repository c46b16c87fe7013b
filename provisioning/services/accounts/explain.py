"""Why an account or a person is as it is: state, rule, address, number, pool, profile, stores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.core.states import MEANINGS, State
from provisioning.models import (
    Account,
    AccountRule,
    ClientProfile,
    DirectoryGroup,
    Number,
    Person,
    Pin,
    PlannedChange,
)
from provisioning.services.accounts.explain_state import why_state
from provisioning.services.accounts.pins import value_in_words
from provisioning.services.directory.memberships import find_membership, find_memberships
from provisioning.services.directory.person_facts import describe_standing
from provisioning.services.push.at_stores import find_at_stores
from provisioning.services.rules.decide import PersonView
from provisioning.services.rules.matching import entries_of, find_views
from provisioning.services.rules.rule_book import CompiledRule, RuleBook
from provisioning.services.runs.plan import APPLIED

_DONE = {"create": "created", "update": "changed"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """One answer: what it is about, what it is, and where that comes from, in plain words."""

    title: str
    value: str
    because: str = ""


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """What one rule says to a person: `why_not` is empty where it matches."""

    rule: CompiledRule
    why_not: str


def explain_person(*, person: Person) -> list[Explanation]:
    """Why this person has the account that they have, or none."""
    answers = [_in_directory(each) for each in (person, *entries_of([person]).get(person.pk, ()))]
    accounts = list(person.accounts.all())
    if person.same_as is not None:
        because = f"an entry of the person in {person.same_as.source}, who has the account"
        answers.append(Explanation("Same person as", str(person.same_as), because))
    elif not accounts:
        view, verdicts = judge(person)
        answers += _rules(person, verdicts)
        answers.append(Explanation("Account", "none", _why_none(person, view, verdicts)))
    for account in accounts:
        answers += explain_account(account=account)
    if person.problem:
        answers.append(Explanation("Conflict", person.problem, "found by the last run"))
    return answers


def explain_account(*, account: Account) -> list[Explanation]:
    """Why this account is as it is, and what has become of it at each store."""
    pins = {pin.field: pin for pin in account.pins.select_related("by")}
    view, verdicts = judge(account.person) if account.person is not None else (None, [])
    winner = _winner(verdicts)
    number = Number.objects.filter(account=account).first()
    answers = [_state(account, pins.get(Pin.Field.STATE), winner, view)]
    if account.person is not None and account.person.same_as_id is None:
        answers += _rules(account.person, verdicts)
    answers += [
        _sip_uri(account, pins.get(Pin.Field.USER_PART), winner, view),
        _number(account, number, pins.get(Pin.Field.NUMBER), winner),
        Explanation("Home pool", str(account.pool), _from(account, pins.get(Pin.Field.POOL))),
        _site(account, pins.get(Pin.Field.SITE), view),
        _profile(account, pins.get(Pin.Field.PROFILE)),
    ]
    answers += [_pin(pin) for pin in pins.values()]
    answers += [
        Explanation(f"At {one.store}", one.value, one.because)
        for one in find_at_stores(account=account, number=number)
    ]
    answers += _last_run(account)
    return answers


def judge(person: Person) -> tuple[PersonView, list[RuleVerdict]]:
    """The person as rules see them, and what they say, up to and with the one that decides."""
    book = RuleBook()
    (view,) = find_views([person], book)
    verdicts = []
    for rule in book.rules:
        why_not = rule.why_not(places=view.places, values=view.values, groups=view.groups)
        verdicts.append(RuleVerdict(rule, why_not))
        if not why_not:
            break
    return view, verdicts


def _winner(verdicts: list[RuleVerdict]) -> CompiledRule | None:
    return verdicts[-1].rule if verdicts and not verdicts[-1].why_not else None


def _rules(person: Person, verdicts: list[RuleVerdict]) -> Iterator[Explanation]:
    places = _places()
    for verdict in verdicts:
        rule = verdict.rule.rule
        if verdict.why_not:
            because = f"does not match: {verdict.why_not}"
        else:
            because = f"matches first, so it decides{_through(person, rule.group)}"
        yield Explanation(f"Rule {places[rule.pk]}", str(rule), because + _staleness(rule.group))
    if _winner(verdicts) is None:
        yield Explanation("Account rule", "none", "no enabled rule matches this person")


def _places() -> dict[int, int]:
    """The place of each rule as the list of rules counts it, resting ones too, by id."""
    return {
        pk: place for place, pk in enumerate(AccountRule.objects.values_list("pk", flat=True), 1)
    }


def explain_membership(*, person: Person, group: str) -> Explanation:
    """Whether the person is in the group of that name, and through which groups.

    Raises InvalidInput where no group is called that.
    """
    found = find_membership(person=person, name=group)
    if found is None:
        because = "neither the group nor one within it names this person"
        return Explanation(f"Group {group}", "not a member", because)
    because = found.words(person) + _staleness(found.group)
    return Explanation(f"Group {found.group}", "member", because)


def _through(person: Person, group: DirectoryGroup | None) -> str:
    if group is None:
        return ""
    paths = {path.group.pk: path for path in find_memberships(person=person)}
    return f": {paths[group.pk].words(person)}" if group.pk in paths else ""


def _staleness(group: DirectoryGroup | None) -> str:
    """What has to be known of a group that could not be read lately."""
    if group is None or group.source.groups_stale_since is None:
        return ""
    since = timezone.localtime(group.source.groups_stale_since)
    return (
        f"; the groups of {group.source} could not be read since {since:%-d %b %Y, %H:%M}, so the "
        "last complete read counts"
    )


def _in_directory(person: Person) -> Explanation:
    source = f"read from {person.source} as {person.dn}"
    if person.left_at is not None:
        left = timezone.localtime(person.left_at)
        return Explanation("In the directory", "left", f"not found since {left:%-d %b %Y, %H:%M}")
    return Explanation("In the directory", ", ".join(describe_standing(person)), source)


def _why_none(person: Person, view: PersonView, verdicts: list[RuleVerdict]) -> str:
    winner = _winner(verdicts)
    if not view.present:
        return "the person has left"
    if winner is None:
        return "no enabled rule matches this person"
    if person.problem:
        return person.problem
    return f"the rule {winner.rule} will make one with the next run"


def _state(
    account: Account, pin: Pin | None, winner: CompiledRule | None, view: PersonView | None
) -> Explanation:
    meaning = MEANINGS[State(account.state)]
    since = timezone.localtime(account.state_since)
    value = f"{meaning.label} since {since:%-d %b %Y, %H:%M}"
    return Explanation(
        "State", value, f"{why_state(account, pin, winner, view)}. {meaning.at_server}"
    )


def _sip_uri(
    account: Account, pin: Pin | None, winner: CompiledRule | None, view: PersonView | None
) -> Explanation:
    return Explanation("SIP URI", f"sip:{account.aor}", _why_sip_uri(account, pin, winner, view))


def _why_sip_uri(
    account: Account, pin: Pin | None, winner: CompiledRule | None, view: PersonView | None
) -> str:
    if pin is not None:
        return f"pinned: {pin.reason}"
    if view is None:
        return "given in the console"
    if winner is None:
        return "kept from before; no rule matches now"
    rule = winner.rule
    try:
        now = f"{winner.user_part(view.values)}@{rule.domain.domain}"
    except InvalidInput as error:
        return f"kept from before: {error.message}"
    if now == account.aor:
        follow = "follows changes" if rule.follow_user else "stays when the directory changes"
        return f"the formula {rule.user_formula} of {rule}; it {follow}"
    if rule.follow_user:
        return f"the next run changes it to {now}, by the formula {rule.user_formula} of {rule}"
    return f"sticky: the formula {rule.user_formula} would give {now}, but {rule} keeps addresses"


def _number(
    account: Account, number: Number | None, pin: Pin | None, winner: CompiledRule | None
) -> Explanation:
    value = number.e164 if number else "none"
    return Explanation("Number", value, _why_number(account, number, pin, winner))


def _why_number(
    account: Account, number: Number | None, pin: Pin | None, winner: CompiledRule | None
) -> str:
    if pin is not None:
        return f"pinned: {pin.reason}"
    if account.person is None:
        return "given in the console" if number else "none was given in the console"
    if winner is None:
        return "kept from before; no rule matches now"
    rule = winner.rule
    if rule.number_source == AccountRule.NumberSource.NONE:
        return f"{rule} gives no numbers"
    if rule.number_source == AccountRule.NumberSource.RANGE:
        return f"{rule} takes the next free number of {rule.number_range}; it stays"
    follow = "follows changes" if rule.follow_number else "stays when the directory changes"
    if number is None:
        return f"the directory has none: {rule.number_formula} by {rule}"
    return f"the directory, {rule.number_formula} by {rule}; it {follow}"


def _from(account: Account, pin: Pin | None) -> str:
    if pin is not None:
        return f"pinned: {pin.reason}"
    if account.person is None:
        return "given in the console"
    return f"the rule {account.rule}" if account.rule else "kept from before"


def _site(account: Account, pin: Pin | None, view: PersonView | None) -> Explanation:
    office = view.values["office"] if view is not None else ""
    if view is None or pin is not None:
        because = _from(account, pin)
    elif account.site is None:
        because = f"no site matches the office “{office}”" if office else "no office"
    else:
        because = f"the office “{office}” in the directory"
    return Explanation("Site", str(account.site or "none"), because)


def _profile(account: Account, pin: Pin | None) -> Explanation:
    if account.profile is not None:
        return Explanation("Client profile", str(account.profile), _from(account, pin))
    default = ClientProfile.objects.filter(is_default=True).first()
    if default is None:
        return Explanation("Client profile", "none", "neither given nor a default one there")
    return Explanation("Client profile", str(default), "the default, because none is given")


def _pin(pin: Pin) -> Explanation:
    by = f" by {pin.by}" if pin.by else ""
    until = f" until {pin.ends_on:%-d %b %Y}" if pin.ends_on else ""
    return Explanation(
        f"Pin of {pin.get_field_display()}", value_in_words(pin), f"{pin.reason}{by}{until}"
    )


def _last_run(account: Account) -> Iterator[Explanation]:
    if account.person is None:
        return
    change = (
        PlannedChange.objects.filter(
            APPLIED, kind="account", key=f"{account.person.guid}/{account.slot}"
        )
        .select_related("run")
        .order_by("-id")
        .first()
    )
    if change is not None:
        at = timezone.localtime(change.at)
        yield Explanation(
            "Last changed by",
            str(change.run),
            f"{_DONE.get(change.action, change.action)}, {at:%-d %b %Y, %H:%M}",
        )
