"""The invented company is always the same, and holds what directories hold."""

from dataclasses import replace

from lab.people import ODD_NAMES, collisions, company


def test_a_larger_company_begins_with_the_same_people() -> None:
    assert company(400).people[:300] == company(300).people


def test_uids_mails_and_written_numbers_are_distinct() -> None:
    people = company(2000).people
    assert len({person.uid for person in people}) == 2000
    assert len({person.mail.casefold() for person in people}) == 2000
    numbers = [person.number for person in people if person.number.startswith("+")]
    assert len(set(numbers)) == len(numbers)


def test_everybody_has_a_manager_who_exists_and_stands_before_them() -> None:
    seen: set[str] = set()
    for person in company(300).people:
        assert person.manager in seen or not seen
        seen.add(person.uid)


def test_the_company_holds_every_kind_of_person() -> None:
    people = company(300).people
    assert 8 <= sum(person.disabled for person in people) <= 20
    assert any(not person.number for person in people)
    assert any(person.number and not person.number.startswith("+") for person in people)
    assert {name for name, *_ in ODD_NAMES} <= {person.name for person in people}
    assert len({person.site.country for person in people}) == 8


def test_nested_groups_reach_everybody_and_cycles_end() -> None:
    whole = company(300)
    assert whole.members("All staff") == {person.uid for person in whole.people}
    assert len(whole.members("Telephony users")) < 300
    assert whole.members("Project Aurora") == whole.members("Project Borealis") != set()
    assert whole.members("Former contractors") == set()


def test_collisions_are_between_different_people() -> None:
    twins = collisions()
    assert len({replace(twin, mail="", number="") for twin in twins}) == len(twins)
    assert len({twin.mail.casefold() for twin in twins}) < len(twins)
