"""What an edited rule would give, on a sample of people, before anything is saved."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db.models import Q, QuerySet

from provisioning.core.errors import InvalidInput
from provisioning.core.states import State
from provisioning.models import Account, AccountRule, Person
from provisioning.services.directory.nesting import find_members
from provisioning.services.rules.decide import PersonView
from provisioning.services.rules.matching import find_views
from provisioning.services.rules.rule_book import CompiledRule, RuleBook, compile_rule
from provisioning.services.rules.rules import check_rule, tidy

# How many people are looked at; so many where hardly anybody of these falls under the rule.
SAMPLE = 200
_MOST = 5_000
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Example:
    """One person: what the rule would give, or why it gives nothing.

    `beaten`: the rule fits, and an earlier one comes before it.
    `now` is the SIP URI of the account that the person has, empty for none.
    """

    person: Person
    aor: str = ""
    number: str = ""
    now: str = ""
    why_not: str = ""
    beaten: bool = False
    problem: str = ""


@dataclass(slots=True)
class RulePreview:
    """What a rule does with a sample of `looked_at` of all `people` it may be about.

    `beaten` of them fit and fall under an earlier rule. `renames` counts accounts whose SIP URI is
    another now; the lists hold a few of each kind.
    """

    people: int
    is_saved: bool
    looked_at: int = 0
    matching: int = 0
    beaten: int = 0
    problems: int = 0
    renames: int = 0
    examples: list[Example] = field(default_factory=list)
    failing: list[Example] = field(default_factory=list)
    others: list[Example] = field(default_factory=list)


def preview_rule(*, rule: AccountRule) -> RulePreview:
    """Evaluate the rule (saved or not) over the first 200 people by name, or 5,000 if it is rare.

    A few queries, nothing is changed. Conflicts between people are not looked for: the planned run
    does that. Raises InvalidInput when the rule cannot be evaluated.
    """
    tidy(rule)
    check_rule(rule)
    compiled = compile_rule(rule)
    candidates = _candidates(rule)
    preview = RulePreview(people=candidates.count(), is_saved=not rule._state.adding)
    book = RuleBook()
    earlier = [
        each for each in book.rules if each.rule.pk != rule.pk and _order(each.rule) < _order(rule)
    ]
    by_name = candidates.order_by("name_key", "id")
    for people in (by_name[:SAMPLE], by_name[SAMPLE:_MOST]):
        if preview.matching + preview.beaten < _EXAMPLES and preview.looked_at < preview.people:
            _look_at(list(people), preview, compiled, earlier, book)
    return preview


def _look_at(
    people: list[Person], preview: RulePreview, compiled: CompiledRule,
    earlier: list[CompiledRule], book: RuleBook,
) -> None:  # fmt: skip
    rule = compiled.rule
    preview.looked_at += len(people)
    views = {view.person_id: view for view in find_views(people, book)}
    addresses = dict(
        Account.objects.filter(person__in=people, slot="main")
        .exclude(state=State.REMOVED)
        .values_list("person_id", "aor")
    )
    for person in people:
        view = views[person.pk]
        if rule.group_id is not None:
            view.groups = {*view.groups, rule.group_id}  # the candidates are its members
        _add(preview, _example(compiled, earlier, book, person, view, addresses.get(person.pk, "")))


def _candidates(rule: AccountRule) -> QuerySet[Person]:
    """Those whom the rule may be about, as far as the database can tell."""
    here = Q(left_at=None)
    if rule.source is not None:
        here &= Q(source=rule.source)
    if rule.group is not None:
        here &= Q(pk__in=find_members(group=rule.group).values("pk"))
    joined = Person.objects.filter(here, same_as__isnull=False)
    return Person.objects.filter(Q(here, same_as=None) | Q(pk__in=joined.values("same_as")))


def _order(rule: AccountRule) -> tuple[bool, int, int]:
    """Where the rule comes; one that was never saved comes last."""
    return rule._state.adding, rule.position, rule.pk or 0


def _example(
    rule: CompiledRule, earlier: list[CompiledRule], book: RuleBook, person: Person,
    view: PersonView, now: str,
) -> Example:  # fmt: skip
    values = view.values
    try:
        why_not = rule.why_not(places=view.places, values=values, groups=view.groups)
        if why_not:
            return Example(person, now=now, why_not=why_not)
        for other in earlier:
            if not other.why_not(places=view.places, values=values, groups=view.groups):
                why_not = f"falls under {other.rule}, which is earlier"
                return Example(person, now=now, why_not=why_not, beaten=True)
        aor = f"{rule.user_part(values)}@{rule.rule.domain}"
    except InvalidInput as error:
        return Example(person, now=now, problem=error.message)
    try:
        number = _number(rule, book, values)
    except InvalidInput as error:
        return Example(person, aor, now=now, problem=error.message)
    return Example(person, aor, number, now)


def _number(rule: CompiledRule, book: RuleBook, values: dict[str, str]) -> str:
    source = rule.rule.number_source
    if source == AccountRule.NumberSource.RANGE:
        return f"next free of {rule.rule.number_range}"
    if source == AccountRule.NumberSource.NONE:
        return ""
    return rule.number(values, book.region_of(values))


def _add(preview: RulePreview, example: Example) -> None:
    if example.why_not:
        # Whom the rule fits comes first.
        preview.others.insert(preview.beaten if example.beaten else _EXAMPLES, example)
        del preview.others[_EXAMPLES:]
        preview.beaten += example.beaten
        return
    preview.matching += 1
    preview.problems += bool(example.problem)
    preview.renames += bool(example.now and example.aor and example.now != example.aor)
    shown = preview.failing if example.problem else preview.examples
    if len(shown) < _EXAMPLES:
        shown.append(example)
