"""Reading only what changed: the ways there are, used through an open reader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ldap

from provisioning.directory import diagnosis
from provisioning.directory.changes import (
    Changes,
    ChangesRefused,
    Start,
    Way,
    joined,
    packed,
    question_of,
    unpacked,
)
from provisioning.directory.connection import code_and_words
from provisioning.directory.dirsync import DirSync
from provisioning.directory.reader import Reader
from provisioning.directory.syncrepl import Syncrepl
from provisioning.directory.usn import Usn

WAYS: dict[str, Way] = {"dirsync": DirSync(), "usn": Usn(), "syncrepl": Syncrepl()}


def begin(reader: Reader, way: str) -> Start:
    """Where reading changes begins right now.

    Raises ChangesRefused where the directory does not offer it, and as `Reader.people` does.
    """
    how, source = _way(reader, way), reader.source
    cookies: dict[str, str] = {}
    unseen: list[str] = []
    try:
        for base in how.bases(reader.connection, source):
            cookies[base], missed = how.begin(reader.connection, base)
            unseen.append(missed)
    except ldap.LDAPError as error:
        raise diagnosis.search_failed(source.name, 0, *code_and_words(error)) from error
    return Start(packed(cookies), next((each for each in unseen if each), ""))


def read_changes(reader: Reader, way: str, cookie: bytes, attributes: frozenset[str]) -> Changes:
    """What changed since `cookie` in entries of the source, or in any of these `attributes`.

    Raises ChangesRefused where everything has to be read instead, and as `Reader.people` does.
    """
    how, source = _way(reader, way), reader.source
    cookies, question = unpacked(cookie), question_of(source, attributes)
    try:
        bases = how.bases(reader.connection, source)
        if set(bases) != cookies.keys():
            raise ChangesRefused("The bases are others than before.")
        return joined(
            {base: how.read(reader.connection, base, cookies[base], question) for base in bases}
        )
    except ldap.LDAPError as error:
        raise diagnosis.search_failed(source.name, 0, *code_and_words(error)) from error


def listen(reader: Reader, way: str, *, wait: float) -> Iterator[bool]:
    """Listen on the reader's connection, which is good for nothing else then.

    Yields True when something changed, at the beginning too, and False after `wait` seconds without
    a word. What changed is not told: that is read. Ends as `read_changes` raises.
    """
    how, connection = _way(reader, way), reader.connection
    try:
        for base in how.bases(connection, reader.source):
            how.listen(connection, base)
        yield True
        while True:
            yield _rang(connection, wait)
    except ldap.LDAPError as error:
        raise diagnosis.search_failed(reader.source.name, 0, *code_and_words(error)) from error


def _rang(connection: Any, wait: float) -> bool:
    try:
        kind, *_ = connection.result4(
            ldap.RES_ANY, all=0, timeout=wait, add_ctrls=1, add_intermediates=1
        )
    except ldap.TIMEOUT:
        return False
    if kind == ldap.RES_SEARCH_RESULT:
        raise ChangesRefused("The directory ended the search for changes.")
    return True


def _way(reader: Reader, way: str) -> Way:
    how, key = WAYS[way], reader.source.key_attribute
    if how.key_attribute != key.lower():
        raise ChangesRefused(
            f"It tells changes by {how.key_attribute}, but people are known by {key}."
        )
    return how
