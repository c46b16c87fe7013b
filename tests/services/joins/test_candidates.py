"""Who of two sources is one person: compared exactly, and told apart where it is not one to one."""

from __future__ import annotations

import pytest

from provisioning.core.errors import InvalidInput
from provisioning.models import Person
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.joins import joins
from provisioning.services.joins.candidates import Found, find_pairs
from tests.factories import make_person, make_source
from tests.services.joins.forests import Forests

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def _find(forests: Forests, by: str) -> Found:
    forests.sync_both()
    return find_pairs(one=forests.source, other=forests.bought, by=by)


def _named(found: Found) -> list[tuple[str, str]]:
    logins = dict(Person.objects.values_list("pk", "login"))
    return [(logins[pair.one], logins[pair.other]) for pair in found.pairs]


@pytest.mark.parametrize(
    ("by", "first", "second", "joined"),
    [
        ("mail", "Ann.Lee@Example.com", "ann.lee@example.COM", True),
        ("mail", "ann.lee@example.com", "ann.lee@example.org", False),
        ("mail", "ann.lee@example.com", "annlee@example.com", False),
        ("employee_id", "E-0042", " e-0042 ", True),
        ("employee_id", "0042", "42", False),
        ("employee_id", "", "", False),
    ],
)
def test_only_the_same_value_joins(
    forests: Forests, by: str, first: str, second: str, joined: bool
) -> None:
    forests.directory.add("ann", **{by: first})
    forests.second.add("a.lee", **{by: second})
    found = _find(forests, by)
    assert _named(found) == ([("ann", "a.lee")] if joined else [])
    assert found.alone == ((0, 0) if joined or not first else (1, 1))


def test_the_same_name_is_never_enough(forests: Forests) -> None:
    for directory in (forests.directory, forests.second):
        directory.add("ann", display_name="Ann Lee", phone="+442079460001", employee_id="")
    assert not any(_find(forests, by).pairs for by in ("mail", "employee_id", "sid"))


def test_a_value_that_several_have_joins_nobody_and_names_them(forests: Forests) -> None:
    forests.directory.add("ann", mail="desk@example.com")
    forests.second.add("a.lee", mail="desk@example.com")
    forests.second.add("bob", mail="Desk@example.com")
    found = _find(forests, "mail")
    assert found.pairs == []
    assert len(found.unclear) == 3
    (why,) = set(found.unclear.values())
    assert "Ann (ann, Head office), A.Lee (a.lee, Bought), Bob (bob, Bought)" in why
    run = forests.join("mail", dry=True)
    assert run.changes.filter(action="unclear").count() == 3
    forests.join("mail")
    assert not Person.objects.exclude(problem="").exists()


def test_the_same_mail_with_other_employee_ids_is_two_people(forests: Forests) -> None:
    forests.directory.add("ann", mail="desk@example.com", employee_id="1")
    other = forests.second.add("a.lee", mail="desk@example.com", employee_id="2")
    found = _find(forests, "mail")
    assert found.pairs == []
    assert "their employee IDs differ: 1 and 2" in found.unclear[forests.entry(other).pk]


def test_whoever_left_is_no_candidate(forests: Forests) -> None:
    one, _ = forests.add_pair("ann")
    forests.directory.remove(one)
    assert _find(forests, "employee_id").pairs == []


def test_who_was_kept_apart_is_not_found_again_but_joined_by_hand(forests: Forests) -> None:
    one, other = (forests.entry(each) for each in forests.add_pair("ann"))
    joins.keep_apart(one=other, other=one, actor=COMMAND_LINE)
    found = _find(forests, "employee_id")
    assert found.pairs == []
    assert "somebody decided that they are two people" in found.unclear[other.pk]
    forests.carry_out(joins.join_people(one=one, other=other, actor=COMMAND_LINE))
    found = _find(forests, "employee_id")
    assert (found.joined, found.unclear) == (1, {})


def test_nobody_gets_a_second_entry_of_the_same_source(forests: Forests) -> None:
    one, other = forests.add_pair("ann")
    forests.join()
    third = forests.second.add("ann.admin", mail="ann@example.com")
    one.set(mail="ann@example.com")
    found = _find(forests, "mail")
    assert found.pairs == []
    assert "has an entry of the other's source already" in found.unclear[forests.entry(third).pk]
    assert forests.entry(other).same_as == forests.entry(one)


def test_who_comes_by_scim_is_compared_like_anybody(forests: Forests) -> None:
    cloud = make_source(name="Entra ID", kind="scim")
    there = make_person("Ann Lee", source=cloud, mail="ann@example.com", sid="S-1-5-21-1-2-3-4")
    one = forests.directory.add("ann", mail="ann@example.com")
    forests.sync()
    found = find_pairs(one=forests.source, other=cloud, by="mail")
    assert [(pair.one, pair.other) for pair in found.pairs] == [(forests.entry(one).pk, there.pk)]
    forests.source.kind = forests.bought.kind = "other"
    assert find_pairs(one=cloud, other=forests.bought, by="sid").alone == (1, 0)


def test_a_source_is_not_compared_with_itself_nor_by_a_name(forests: Forests) -> None:
    with pytest.raises(InvalidInput):
        find_pairs(one=forests.source, other=forests.source, by="mail")
    with pytest.raises(InvalidInput):
        find_pairs(one=forests.source, other=forests.bought, by="display_name")
