"""Paging and searching of long lists."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.core.exceptions import BadRequest
from django.utils import timezone

from provisioning.core.text import fold, search_key
from provisioning.models import DirectoryGroup, DirectorySource, Person
from provisioning.web.keyset import Order, paginate
from provisioning.web.search import matching, phone_digits

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def source() -> DirectorySource:
    return DirectorySource.objects.create(name="Directory", key_attribute="entryUUID")


def add_groups(source: DirectorySource, names: list[str]) -> None:
    DirectoryGroup.objects.bulk_create(
        DirectoryGroup(
            source=source, guid=str(uuid.uuid4()), dn=f"cn={name}", name=name, name_key=fold(name),
            content_hash="", changed_at=timezone.now(),
        )
        for name in names
    )  # fmt: skip


def add_person(source: DirectorySource, name: str, number: str = "") -> None:
    now = timezone.now()
    Person.objects.create(
        source=source, guid=str(uuid.uuid4()), dn="", content_hash="", login=name,
        display_name=name, name_key=fold(name), search_key=search_key(name, number),
        first_seen_at=now, changed_at=now,
    )  # fmt: skip


def test_following_the_pages_shows_every_row_once_in_order(source: DirectorySource) -> None:
    add_groups(source, ["same"] * 12 + [f"g{i:02}" for i in range(15)])
    seen: list[int] = []
    cursor, starts = "", []
    while True:
        page = paginate(DirectoryGroup.objects.all(), cursor=cursor, size=5)
        seen += [row.pk for row in page.rows]
        starts.append(page.start)
        if not page.has_next:
            break
        cursor = page.next
    assert seen == list(
        DirectoryGroup.objects.order_by("name_key", "id").values_list("pk", flat=True)
    )
    assert starts == [1, 6, 11, 16, 21, 26]
    assert (page.total, page.end) == (27, 27)


@pytest.mark.parametrize("descending", [False, True])
def test_going_back_shows_the_page_that_was_before(
    source: DirectorySource, *, descending: bool
) -> None:
    add_groups(source, [f"g{i:02}" for i in range(23)])
    order, everything = Order(descending=descending), DirectoryGroup.objects.all()
    first = paginate(everything, order=order, size=10)
    second = paginate(everything, cursor=first.next, order=order, size=10)
    third = paginate(everything, cursor=second.next, order=order, size=10)
    back = paginate(everything, cursor=third.previous, order=order, size=10)
    assert (back.rows, back.start, back.end) == (second.rows, 11, 20)
    home = paginate(everything, cursor=back.previous, order=order, size=10)
    assert (home.rows, home.has_previous) == (first.rows, False)


@pytest.mark.parametrize("cursor", ["nonsense", "W10:1tX:abc", "'; DROP TABLE", "\x00"])
def test_a_cursor_that_was_not_handed_out_is_refused(source: DirectorySource, cursor: str) -> None:
    add_groups(source, ["one"])
    with pytest.raises(BadRequest):
        paginate(DirectoryGroup.objects.all(), cursor=cursor)


def test_a_cursor_of_another_order_is_refused(source: DirectorySource) -> None:
    add_groups(source, ["one", "two", "three"])
    cursor = paginate(DirectoryGroup.objects.all(), size=2).next
    with pytest.raises(BadRequest):
        paginate(DirectoryGroup.objects.all(), cursor=cursor, order=Order("member_count"))


def test_an_empty_list_is_an_empty_page() -> None:
    page = paginate(DirectoryGroup.objects.all())
    assert (page.rows, page.total, page.start, page.end, page.has_next) == ([], 0, 0, 0, False)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("müller", ["Jörg Müller"]),
        ("MULLER jorg", ["Jörg Müller"]),
        ("020 7946 0123", ["Ann Lee"]),
        ("+44 (0)20 7946-0123", ["Ann Lee"]),
        ("0044 20 7946 0123", ["Ann Lee"]),
        ("100%", []),
        ("lee müller", []),
        ("", ["Ann Lee", "Jörg Müller"]),
    ],
)
def test_search_ignores_accents_case_and_the_notation_of_numbers(
    source: DirectorySource, query: str, found: list[str]
) -> None:
    add_person(source, "Jörg Müller")
    add_person(source, "Ann Lee", "+442079460123")
    rows = matching(Person.objects.order_by("name_key"), query)
    assert [row.display_name for row in rows] == found


def test_a_word_is_not_taken_for_a_telephone_number() -> None:
    assert phone_digits("room 12") == ""
    assert phone_digits("12") == ""
    assert phone_digits("1234") == "1234"


def test_a_count_ends_where_it_may_and_the_page_says_so(source: DirectorySource) -> None:
    add_groups(source, [f"g{i:02}" for i in range(23)])
    everything = DirectoryGroup.objects.all()
    first = paginate(everything, size=10, count_to=15)
    assert (first.total, first.uncounted) == (15, True)
    second = paginate(everything, size=10, count_to=15, cursor=first.next)
    assert (second.total, second.uncounted, second.start) == (15, True, 11)
    exact = paginate(everything, size=10, count_to=23)
    assert (exact.total, exact.uncounted) == (23, False)


def test_only_the_first_page_counts(
    source: DirectorySource, django_assert_num_queries: Any
) -> None:
    add_groups(source, [f"g{i:02}" for i in range(23)])
    everything = DirectoryGroup.objects.all()
    with django_assert_num_queries(2):
        first = paginate(everything, size=10)
    with django_assert_num_queries(1):
        assert paginate(everything, size=10, cursor=first.next).total == 23


def test_a_search_with_wildcards_finds_them_as_they_are(source: DirectorySource) -> None:
    add_groups(source, ["100% sure", "100 sure", "under_score", "underscore"])
    everything = DirectoryGroup.objects.all()
    for query, name in (("100%", "100% sure"), ("der_s", "under_score")):
        assert [row.name for row in matching(everything, query, "name_key")] == [name]
