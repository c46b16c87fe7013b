"""Reading ahead: the next page comes from the database while the one before it is used."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection, connections

T = TypeVar("T")


def read_ahead(pages: Iterator[T]) -> Generator[T]:
    """`pages`, each made by a thread with a connection of its own while the one before is used.

    In a transaction of the caller, of which nobody else sees anything, each is made when its turn
    comes. Whoever may leave early closes the generator: the thread has ended then.
    """
    if connection.in_atomic_block:
        yield from pages
        return
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as ahead:
        try:
            following = ahead.submit(next, pages, None)
            while (page := following.result()) is not None:
                following = ahead.submit(next, pages, None)
                yield page
        finally:
            ahead.submit(connections.close_all)
