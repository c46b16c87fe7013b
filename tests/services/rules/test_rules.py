"""Account rules: kept, ordered, previewed; every change is planned for everybody."""

from __future__ import annotations

from typing import Any

import pytest

from provisioning.core.errors import InvalidFields, InvalidInput
from provisioning.models import AccountRule, AuditEvent, ConsoleUser, NumberRange, Run
from provisioning.services.actor import Actor
from provisioning.services.rules import rule_preview
from provisioning.services.rules.rule_preview import preview_rule
from provisioning.services.rules.rules import delete_rule, move_rule, save_rule, switch_rule
from tests.factories import (
    make_account,
    make_domain,
    make_group,
    make_person,
    make_pool,
    make_rule,
    make_site,
    make_source,
)

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def actor(administrator: ConsoleUser) -> Actor:
    return Actor.of(administrator)


def unsaved(**values: Any) -> AccountRule:
    return AccountRule(**{"name": "Everybody", "domain": make_domain(), "pool": make_pool(),
                          **values})  # fmt: skip


def names() -> list[str]:
    return list(AccountRule.objects.values_list("name", flat=True))


def test_a_new_rule_is_asked_last_and_a_run_plans_what_follows(actor: Actor) -> None:
    make_rule(name="First", position=70)
    run = save_rule(rule=unsaved(name="Second"), actor=actor)
    assert names() == ["First", "Second"]
    assert (run.kind, run.state, run.requested_by) == (Run.Kind.RULES, "queued", actor.user)


def test_two_changes_in_a_row_share_one_queued_run(actor: Actor) -> None:
    first = save_rule(rule=unsaved(), actor=actor)
    assert save_rule(rule=unsaved(name="Another"), actor=actor) == first


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"name": "a\x00b"}, "name", "control character"),
        ({"ou": "sales"}, "ou", "not a DN"),
        ({"user_formula": " "}, "user_formula", "before the @"),
        ({"user_formula": "lower(logn)"}, "user_formula", "uses logn"),
        ({"user_formula": "lower("}, "user_formula", "cannot be read"),
        ({"condition": "equals(mail)"}, "condition", "takes 2"),
        ({"number_formula": "mach(phone)"}, "number_formula", "no function"),
        ({"number_formula": ""}, "number_formula", "which field"),
        ({"number_source": "range"}, "number_range", "Choose the range"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_field(
    actor: Actor, values: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(InvalidFields) as refused:
        save_rule(rule=unsaved(**values), actor=actor)
    assert said in refused.value.fields[field]
    assert not AccountRule.objects.exists()
    assert not Run.objects.exists()


def test_the_group_of_a_rule_comes_from_its_source(actor: Actor) -> None:
    with pytest.raises(InvalidFields, match="is a group of"):
        save_rule(rule=unsaved(group=make_group(), source=make_source()), actor=actor)


def test_of_two_administrators_the_second_is_told(actor: Actor) -> None:
    rule = make_rule()
    mine, theirs = (AccountRule.objects.get(pk=rule.pk) for _ in range(2))
    theirs.user_formula = "mail"
    save_rule(rule=theirs, actor=actor)
    mine.user_formula = "upper(login)"
    with pytest.raises(InvalidInput, match="somebody else"):
        save_rule(rule=mine, actor=actor)
    assert AccountRule.objects.get(pk=rule.pk).user_formula == "mail"


def test_a_change_is_audited_field_by_field(actor: Actor) -> None:
    rule = make_rule(name="Sales")
    rule.user_formula = "before(mail, '@')"
    save_rule(rule=rule, actor=actor)
    detail = AuditEvent.objects.latest("id").detail
    assert detail["SIP URI formula (before the @)"] == ["lower(login)", "before(mail, '@')"]


def test_rules_move_one_place_at_a_time_and_stop_at_the_ends(actor: Actor) -> None:
    a, _, c = (make_rule(name=name, position=5) for name in "ABC")
    assert move_rule(rule=c, direction="up", actor=actor) is not None
    assert names() == ["A", "C", "B"]
    assert move_rule(rule=a, direction="down", actor=actor) is not None
    assert names() == ["C", "A", "B"]
    assert move_rule(rule=c, direction="up", actor=actor) is None
    assert names() == ["C", "A", "B"]


def test_a_rule_that_rests_stays_in_its_place(actor: Actor) -> None:
    a, _ = make_rule(name="A", position=1), make_rule(name="B", position=2)
    switch_rule(rule=a, enabled=False, actor=actor)
    assert names() == ["A", "B"]
    assert not AccountRule.objects.get(pk=a.pk).enabled


def test_deleting_a_rule_keeps_its_accounts_and_plans_what_follows(actor: Actor) -> None:
    rule = make_rule()
    account = make_account(person=make_person(), rule=rule)
    run = delete_rule(rule=rule, actor=actor)
    account.refresh_from_db()
    assert account.rule is None
    assert account.state == "active"
    assert run.state == "queued"


def test_a_preview_shows_what_people_would_get_and_changes_nothing() -> None:
    make_site("London")
    make_person("Ann Lee", login="Ann.Lee", phone="020 7946 0001", country="GB")
    make_person("Bo Ek", login="two words")
    make_person("Cy Fox", login="cy", phone="ask reception")
    preview = preview_rule(rule=unsaved())
    assert (preview.people, preview.looked_at, preview.matching) == (3, 3, 3)
    assert preview.problems == 2
    (example,) = preview.examples
    assert (example.aor, example.number) == ("ann.lee@voice.example.com", "+442079460001")
    said = " ".join(each.problem for each in preview.failing)
    assert "cannot be the user part" in said
    assert "not a telephone number" in said
    assert not AccountRule.objects.exists()
    assert not Run.objects.exists()


def test_a_preview_says_who_falls_under_an_earlier_rule_or_under_none() -> None:
    person, other = make_person("Ann Lee", department="Sales"), make_person("Bo Ek")
    make_rule(name="Sales first", condition="equals(department, 'Sales')", position=10)
    preview = preview_rule(rule=unsaved(condition="department"))
    why = {each.person: each.why_not for each in preview.others}
    assert "falls under Sales first" in why[person]
    assert "the condition department is not met" in why[other]
    assert (preview.matching, preview.beaten) == (0, 1)


def test_whom_a_rule_fits_is_shown_before_whom_it_does_not() -> None:
    for number in range(8):
        make_person(f"Ann {number}")
    make_person("Zoe Young", department="Board")
    make_rule(name="Everybody")
    preview = preview_rule(rule=unsaved(condition="department"))
    assert [each.beaten for each in preview.others] == [True, False, False, False, False]
    assert str(preview.others[0].person) == "Zoe Young"
    nobody = preview_rule(rule=unsaved(condition="equals(department, 'Moon')"))
    assert (nobody.matching, nobody.beaten, len(nobody.others)) == (0, 0, 5)


def test_a_preview_of_an_edited_rule_does_not_compete_with_itself() -> None:
    rule = make_rule(name="Everybody")
    account = make_account(person=make_person(login="ann"), user_part="ann")
    rule.user_formula = "'x{login}'"
    preview = preview_rule(rule=rule)
    assert preview.renames == 1
    assert (preview.examples[0].now, preview.examples[0].aor) == (
        account.aor, "xann@voice.example.com",
    )  # fmt: skip


def test_a_preview_for_a_group_looks_at_its_members_only() -> None:
    inside, _ = make_person("Ann Lee"), make_person("Bo Ek")
    rule = unsaved(group=make_group(members=(inside,)), number_source="range")
    rule.number_range = NumberRange.objects.create(
        name="Desk", first="+442079460000", last="+442079460099"
    )
    preview = preview_rule(rule=rule)
    assert (preview.people, preview.matching) == (1, 1)
    assert preview.examples[0].person == inside
    assert "next free of Desk" in preview.examples[0].number


def test_a_preview_of_a_rare_rule_looks_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_preview, "SAMPLE", 3)
    for number in range(4):
        make_person(f"Ann {number}")
    make_person("Zoe Young", department="Board")
    preview = preview_rule(rule=unsaved(condition="department"))
    assert (preview.looked_at, preview.matching) == (5, 1)
    assert str(preview.examples[0].person) == "Zoe Young"


def test_a_preview_needs_few_queries_however_many_people_there_are(
    django_assert_max_num_queries: Any,
) -> None:
    source = make_source()
    group = make_group("Sales", source=source)
    make_rule(group=group, position=1)
    for number in range(40):
        make_person(f"Person {number:02}", source=source)
    rule = unsaved()
    with django_assert_max_num_queries(7):
        assert preview_rule(rule=rule).matching == 40
