"""Reading ahead: in order, one page ahead at most, and nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from django.db import connection, transaction

from provisioning.services.ahead import read_ahead

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


class Pages:
    """Counts what was made, and by which threads."""

    def __init__(self, count: int) -> None:
        self.made = 0
        self.threads: set[str] = set()
        self._count = count

    def __iter__(self) -> Iterator[int]:
        for number in range(self._count):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            self.threads.add(threading.current_thread().name)
            self.made += 1
            yield number


def _threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("ahead")]


def test_pages_come_in_order_from_a_thread_that_ends_with_them() -> None:
    pages = Pages(5)
    assert list(read_ahead(iter(pages))) == [0, 1, 2, 3, 4]
    assert all(name.startswith("ahead") for name in pages.threads)
    assert not _threads()


def test_no_more_than_the_next_page_is_made() -> None:
    pages = Pages(5)
    ahead = read_ahead(iter(pages))
    assert next(ahead) == 0
    ahead.close()
    assert pages.made <= 2
    assert not _threads()


def test_an_error_comes_when_its_page_would_have_come() -> None:
    def pages() -> Iterator[int]:
        yield 0
        raise ValueError("the second page")

    ahead = read_ahead(pages())
    assert next(ahead) == 0
    with pytest.raises(ValueError, match="the second page"):
        next(ahead)
    assert not _threads()


def test_in_a_transaction_pages_are_made_where_it_is_seen() -> None:
    pages = Pages(2)
    with transaction.atomic():
        assert list(read_ahead(iter(pages))) == [0, 1]
    assert pages.threads == {threading.current_thread().name}
