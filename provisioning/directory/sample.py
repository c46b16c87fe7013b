"""One entry of a directory as an administrator looks at it: everything but secrets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from provisioning.core.records import Entry, SourceRecord
from provisioning.directory.attributes import is_secret, show_values
from provisioning.directory.conversation import Conversation, ask_first, samples
from provisioning.directory.guid import canonical_guid

# How far somebody leafs through the entries that were found.
MOST = 50
MAX_PHOTO = 200_000
_PHOTO_TYPES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


@dataclass(frozen=True, slots=True)
class SampleEntry:
    """An entry with what may be read of it, and its `place` among those that were found.

    `shown` has each attribute as the server writes its name, and its values for somebody to read;
    of `hidden` ones, which may hold passwords or keys, only the names were asked for.
    """

    entry: Entry
    place: int
    shown: list[tuple[str, list[str]]]
    hidden: list[str]


def find_sample(
    source: SourceRecord, named: Collection[str], *, text: str = "", place: int = 0, dn: str = ""
) -> SampleEntry | None:
    """A person of the source: the one with `dn`, or number `place` of those whom `text` finds.

    After the last one it begins again. `named` attributes are read too where the server would not
    show them by itself. Raises a ProvisioningError where the directory cannot be asked.
    """
    return ask_first(source, lambda it: _sample(source, it, named, text, place, dn))


def read_photo(source: SourceRecord, attribute: str, *, dn: str, guid: str) -> tuple[str, bytes]:
    """Media type and bytes of a portrait; empty where there is none that may be shown.

    JPEG and PNG of at most 200 kB count, by their first bytes. The entry must have that key: a DN
    may be somebody else's by now.
    """

    def ask(conversation: Conversation) -> tuple[str, bytes]:
        for _, raw in conversation.look_at(dn, [attribute, source.key_attribute]):
            if _guid(source, raw) == guid:
                return check_photo((raw.get(attribute.lower()) or [b""])[0])
        return "", b""

    return ask_first(source, ask)


def check_photo(data: bytes) -> tuple[str, bytes]:
    """The media type and `data` itself, both empty unless it is a small JPEG or PNG."""
    for start, media_type in _PHOTO_TYPES.items():
        if data.startswith(start) and len(data) <= MAX_PHOTO:
            return media_type, data
    return "", b""


def _sample(
    source: SourceRecord,
    conversation: Conversation,
    named: Collection[str],
    text: str,
    place: int,
    dn: str,
) -> SampleEntry | None:
    if not dn:
        found = samples(source, conversation, (), text, limit=min(place, MOST) + 1)
        if not found:
            return None
        place = place if place < len(found) else 0
        dn = found[place].dn
    if not conversation.look_at(dn, ["1.1"], source.person_filter):
        return None
    names = conversation.names_at(dn)
    readable = [name for name in names if not is_secret(name)]
    wanted = {*readable, *named, source.key_attribute}
    ((_, raw),) = conversation.look_at(dn, sorted(wanted, key=str.lower))
    spelled = {name.lower(): name for name in (*named, source.key_attribute, *readable)}
    shown = [
        (name, show_values(name, raw[lower]))
        for lower, name in sorted(spelled.items())
        if lower in raw
    ]
    hidden = sorted((name for name in names if is_secret(name)), key=str.lower)
    return SampleEntry(Entry(_guid(source, raw), dn, raw), place, shown, hidden)


def _guid(source: SourceRecord, raw: Mapping[str, list[bytes]]) -> str:
    """The key of an entry; empty where it has none, for then it can be shown all the same."""
    key = source.key_attribute.lower()
    try:
        return canonical_guid(key, raw.get(key))
    except ValueError:
        return ""
