"""Numbers, their ranges and their import."""

from __future__ import annotations

import pytest

from provisioning.core.errors import InvalidInput, StalePlan
from provisioning.models import (
    Account,
    AuditEvent,
    ConsoleUser,
    Number,
    NumberRange,
    PendingChange,
    Pin,
)
from provisioning.services.actor import Actor
from provisioning.services.numbers.number_import import import_numbers, plan_import
from provisioning.services.numbers.numbers import (
    NumberTaken,
    add_number,
    assign_number,
    release_number,
    set_number_state,
)
from provisioning.services.numbers.ranges import find_fills, free_numbers, next_free, save_range
from tests.factories import make_account, make_person, make_site, make_store

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def actor(administrator: ConsoleUser) -> Actor:
    return Actor.of(administrator)


def make_range(first: str = "+442079460000", last: str = "+442079460009") -> NumberRange:
    return NumberRange.objects.create(name=f"Range {first}", first=first, last=last)


def aliases() -> set[str]:
    return set(PendingChange.objects.filter(kind="alias").values_list("key", flat=True))


def test_a_national_number_is_read_by_the_country_of_the_site(actor: Actor) -> None:
    make_store()
    account = make_account(site=make_site())
    number = assign_number(account=account, e164="020 7946 0123", actor=actor)
    assert (number.e164, number.state) == ("+442079460123", "assigned")
    account.refresh_from_db()
    assert "+442079460123" in account.search_key
    assert aliases() == {"+442079460123@voice.example.com"}


def test_a_taken_number_names_who_has_it_and_stays_there(actor: Actor) -> None:
    holder, other = make_account("Reception"), make_account("Lobby")
    assign_number(account=holder, e164="+442079460123", actor=actor)
    with pytest.raises(NumberTaken, match="belongs to Reception") as refused:
        assign_number(account=other, e164="+44 20 7946 0123", actor=actor)
    assert refused.value.holder == holder
    assert Number.objects.get().account == holder


def test_a_new_number_puts_the_former_one_into_quarantine(actor: Actor) -> None:
    make_store()
    account = make_account()
    assign_number(account=account, e164="+442079460001", actor=actor)
    assign_number(account=account, e164="+442079460002", actor=actor)
    former = Number.objects.get(e164="+442079460001")
    assert (former.state, former.account) == ("quarantined", None)
    assert former.quarantined_until is not None
    assert aliases() == {f"+44207946000{i}@voice.example.com" for i in (1, 2)}
    with pytest.raises(InvalidInput, match="quarantine until"):
        assign_number(account=make_account(), e164="+442079460001", actor=actor)


def test_the_number_of_a_person_is_pinned_and_so_is_its_release(actor: Actor) -> None:
    account = make_account(person=make_person())
    number = assign_number(account=account, e164="+442079460001", actor=actor)
    assert Pin.objects.get(field="number").value == "+442079460001"
    release_number(number=number, actor=actor, free=True)
    assert Pin.objects.get(field="number").value == ""
    assert Number.objects.get().state == "free"


def test_a_number_used_elsewhere_is_not_given_out(actor: Actor) -> None:
    add_number(e164="+442079460001", state=Number.State.USED_ELSEWHERE, note="fax", actor=actor)
    with pytest.raises(InvalidInput, match=r"used elsewhere \(fax\)"):
        assign_number(account=make_account(), e164="+442079460001", actor=actor)


def test_the_audit_log_tells_a_new_number_from_a_changed_one_and_only_what_changed(
    actor: Actor,
) -> None:
    number = add_number(e164="+442079460001", state=Number.State.FREE, note="fax", actor=actor)
    assert AuditEvent.objects.get().action == "added"
    assert AuditEvent.objects.get().detail == {"state": "Free", "note": "fax"}
    set_number_state(number=number, state=Number.State.FREE, note="lift", actor=actor)
    assert AuditEvent.objects.latest("id").detail == {"note": ["fax", "lift"]}


def test_a_number_that_is_known_is_not_added_and_it_is_said_what_it_is(actor: Actor) -> None:
    add_number(e164="+442079460001", state=Number.State.USED_ELSEWHERE, actor=actor)
    with pytest.raises(InvalidInput, match=r"is known already \(used elsewhere\)"):
        add_number(e164="+442079460001", state=Number.State.FREE, actor=actor)
    assign_number(account=make_account("Lobby"), e164="+442079460002", actor=actor)
    with pytest.raises(InvalidInput, match=r"is known already \(Lobby\)"):
        add_number(e164="+442079460002", state=Number.State.FREE, actor=actor)


def test_an_assigned_number_cannot_become_free_behind_the_back_of_its_account(actor: Actor) -> None:
    number = assign_number(account=make_account(), e164="+442079460001", actor=actor)
    with pytest.raises(InvalidInput, match="release it first"):
        set_number_state(number=number, state=Number.State.FREE, actor=actor)


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("+442079460000", "+442079459999", "not be smaller"),
        ("+442079460000", "+44207946000", "as many digits"),
        ("020 7946 0000", "020 7946 0009", "not an E.164 number"),
        ("+442079460005", "+442079460020", "overlaps"),
        ("+440000000000", "+449999999999", "at most 1,000,000"),
    ],
)
def test_a_range_that_is_none_or_overlaps_is_refused(
    actor: Actor, first: str, last: str, said: str
) -> None:
    make_range()
    with pytest.raises(InvalidInput, match=said):
        save_range(number_range=NumberRange(name="New", first=first, last=last), actor=actor)
    assert NumberRange.objects.count() == 1


def test_a_range_beside_another_is_kept_and_audited(actor: Actor) -> None:
    make_range()
    save_range(
        number_range=NumberRange(name="New", first="+44 20 7946 0010", last="+442079460019"),
        actor=actor,
    )
    assert NumberRange.objects.filter(first="+442079460010").exists()
    assert AuditEvent.objects.get().action == "created"


def test_the_next_free_number_fills_gaps_and_free_numbers_first(actor: Actor) -> None:
    number_range = make_range()
    assert next_free(number_range) == "+442079460000"
    for last in "0124":
        Number.objects.create(e164=f"+44207946000{last}", state=Number.State.RESERVED)
    # A longer number between them in text order is not one of the range.
    Number.objects.create(e164="+4420794600021", state=Number.State.RESERVED)
    assert next_free(number_range) == "+442079460003"
    Number.objects.filter(e164="+442079460001").update(state=Number.State.FREE)
    assert next_free(number_range) == "+442079460001"
    assert list(free_numbers(number_range))[:3] == [f"+44207946000{i}" for i in (1, 3, 5)]


def test_a_full_range_has_no_next_number_and_says_how_full_it_is(actor: Actor) -> None:
    number_range = make_range()
    for last in range(10):
        Number.objects.create(e164=f"+44207946000{last}", state=Number.State.RESERVED)
    assert next_free(number_range) is None
    fill = find_fills([number_range])[number_range.pk]
    assert (fill.size, fill.taken, fill.free, fill.states) == (10, 10, 0, {"reserved": 10})


def run_import(text: str, actor: Actor, country: str = "") -> None:
    plan = plan_import(text=text, country=country)
    import_numbers(text=text, country=country, digest=plan.digest, actor=actor)


def test_an_import_does_every_good_line_and_names_the_bad_ones(actor: Actor) -> None:
    make_store()
    account = make_account("Reception", user_part="reception")
    holder = make_account("Lobby")
    assign_number(account=holder, e164="+442079460009", actor=actor)
    make_range()
    text = (
        "Number;Account;State;Note;Range\n"
        "020 7946 0001;sip:Reception@voice.example.com;;;\n"
        "+442079460002;;used elsewhere;Fax;\n"
        "+442079460009;;free;;\n"
        "hello;;;;\n"
        "+442079460003;;;;Nowhere\n"
        "+442079460004;nobody@voice.example.com;;;\n"
        "+442079460002;;;;\n"
        "+442079470000;;;;Range +442079460000\n"
        "+442079460005;;gone;;\n"
        "\n"
        "'+442079460006;;;'=1+1;\n"
    )
    plan = plan_import(text=text, country="GB")
    assert plan.counts == {"add": 3, "problem": 7}
    assert [(row.line, row.problem.split(".")[0][:30]) for row in plan.problems] == [
        (4, "+442079460009 belongs to Lobby"),
        (5, "“hello” is not a telephone num"),
        (6, "There is no range “Nowhere”"),
        (7, "There is no account nobody@voi"),
        (8, "+442079460002 stands in line 3"),
        (9, "+442079470000 is not in the ra"),
        (10, "The state “gone” is none of fr"),
    ]
    assert Number.objects.count() == 1
    import_numbers(text=text, country="GB", digest=plan.digest, actor=actor)
    assert Number.objects.get(e164="+442079460001").account == account
    assert Number.objects.get(e164="+442079460006").note == "=1+1"
    assert Number.objects.get(e164="+442079460002").state == "used elsewhere"
    account.refresh_from_db()
    assert "+442079460001" in account.search_key
    assert "+442079460001@voice.example.com" in aliases()
    assert plan_import(text=text, country="GB").counts == {"none": 3, "problem": 7}


def test_an_import_pins_the_numbers_of_people(actor: Actor) -> None:
    account = make_account(person=make_person(), user_part="ann")
    text = "number,account\n+442079460001,ann@voice.example.com\n"
    run_import(text, actor)
    assert Pin.objects.get().value == "+442079460001"
    assert Account.objects.get(pk=account.pk).version == 2


def test_what_was_not_previewed_is_not_imported(actor: Actor) -> None:
    text = "number\n+442079460001\n"
    plan = plan_import(text=text)
    add_number(e164="+442079460001", state=Number.State.USED_ELSEWHERE, actor=actor)
    with pytest.raises(StalePlan):
        import_numbers(text=text, digest=plan.digest, actor=actor)
    assert Number.objects.get().state == "used elsewhere"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "name the columns"),
        ("telephone\n+442079460001", "Unknown: telephone"),
        ("number,secret\n+442079460001,x", "Unknown: secret"),
        ("number\n\x00", "not a CSV text"),
        ("number\n" + "+442079460001\n" * 50_001, "At most 50,000 lines"),
    ],
)
def test_a_file_that_is_no_list_of_numbers_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        plan_import(text=text)
