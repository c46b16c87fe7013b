"""The attributes of a directory: what its schema says of them, and which of them people have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ldap.schema.models import AttributeType

from provisioning.core.records import SourceRecord
from provisioning.core.text import clean_line
from provisioning.directory.attributes import is_secret
from provisioning.directory.bases import searches
from provisioning.directory.conversation import Conversation

# RFC 4511 section 4.5.1.8 and RFC 3673: all user attributes, and all operational ones.
_ALL = ("*", "+")
_SAMPLE = 20
_LONGEST_EXAMPLE = 60


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its usual name, the schema's words for it, and what was seen of it.

    `seen` of `looked_at` people have it; `example` is one value that is text, else empty.
    """

    name: str
    description: str
    several: bool
    seen: int = 0
    looked_at: int = 0
    example: str = ""


def read_attributes(source: SourceRecord, conversation: Conversation) -> list[Attribute]:
    """The attributes of the schema and of a few people, the most frequent first.

    Attributes that may hold passwords or keys are left out. A directory that shows no schema still
    gives those that people have.
    """
    known = {each.name.lower(): each for each in _defined(conversation)}
    rows = [
        attributes
        for asked in searches(source.person_bases, source.person_filter)
        for _, attributes in conversation.search(asked, _ALL, limit=_SAMPLE)
    ][:_SAMPLE]
    names = {name for row in rows for name in row} | known.keys()
    found = (_seen(known.get(name) or Attribute(name, "", True), rows) for name in names)
    readable = (each for each in found if not is_secret(each.name))
    return sorted(readable, key=lambda each: (-each.seen, each.name.lower()))


def _defined(conversation: Conversation) -> Iterator[Attribute]:
    for text in conversation.attribute_types():
        try:
            definition = AttributeType(text)
        except (ValueError, IndexError, KeyError, AssertionError):
            continue  # a vendor's own notation: people who have the attribute still show it
        for name in definition.names[:1]:
            others = ", ".join(definition.names[1:])
            described = clean_line(definition.desc or "")
            words = "; ".join(
                part for part in (described, f"also {others}" if others else "") if part
            )
            yield Attribute(name, words, not definition.single_value)


def _seen(attribute: Attribute, rows: Iterable[dict[str, list[bytes]]]) -> Attribute:
    rows = list(rows)
    values = [row[attribute.name.lower()] for row in rows if attribute.name.lower() in row]
    if not values:
        return attribute
    example = next((text for each in values for text in _texts(each)), "")
    return replace(attribute, seen=len(values), looked_at=len(rows), example=example)


def _texts(values: list[bytes]) -> Iterator[str]:
    for value in values:
        try:
            text = value.decode()
        except UnicodeDecodeError:
            continue
        if text.isprintable():
            yield text[:_LONGEST_EXAMPLE]
