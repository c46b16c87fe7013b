"""The part of the connection test that reads: people, their attributes, groups."""

from __future__ import annotations

from collections.abc import Collection

from provisioning.core.records import SourceRecord
from provisioning.directory.bases import searches
from provisioning.directory.conversation import Conversation
from provisioning.directory.guid import canonical_guid
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.directory.step import Step, listed

COUNT_LIMIT = 5000
SAMPLE = 20
# RFC 4511 section 4.5.1.8: no attributes, only the entries' names.
NO_ATTRIBUTES = ("1.1",)
_USUAL = " ".join(
    text for each in DEFAULT_MAPPINGS.values() for text in (*each.fields.values(), each.disabled)
).lower()
_EVERYBODY = frozenset({
    "cn", "sn", "uid", "samaccountname", "useraccountcontrol", "mail", "telephonenumber",
})  # fmt: skip


def read_people(source: SourceRecord, conversation: Conversation) -> Step:
    """How many people there are; nobody is a failure."""
    count = _count(conversation, source.person_bases, source.person_filter)
    if count:
        return Step("People", True, f"{_bounded(count)} match the filter.", source.person_filter)
    return Step(
        "People",
        False,
        "Nobody matches the filter, or the bind account may not see anybody.",
        source.person_filter,
        "Check bases and filter, and the account's right to read below the bases.",
    )


def read_attributes(
    source: SourceRecord, conversation: Conversation, attributes: Collection[str]
) -> Step:
    """Whether the key and the mapped attributes can be read of a few people."""
    key = source.key_attribute
    seen: set[str] = set()
    for asked in searches(source.person_bases, source.person_filter):
        for dn, raw in conversation.search(asked, sorted({*attributes, key}), limit=SAMPLE):
            try:
                canonical_guid(key.lower(), raw.get(key.lower()))
            except ValueError as error:
                return Step(
                    "Attributes", False, f"{key} of {dn} {error}.",
                    advice="Choose the key attribute of this directory: objectGUID for Active "
                    "Directory, entryUUID for OpenLDAP, nsUniqueId for 389 Directory Server.",
                )  # fmt: skip
            seen |= raw.keys()
    missing = sorted({name.lower() for name in attributes} - seen)
    if missing:
        return _unseen(conversation, missing, len(attributes))
    return Step("Attributes", True, f"The key and all {len(attributes)} attributes can be read.")


def _unseen(conversation: Conversation, missing: list[str], count: int) -> Step:
    defined = " ".join(conversation.attribute_types()).lower()
    unknown = [name for name in missing if defined and f"'{name}'" not in defined]
    # Presets name attributes of Exchange, Lync and password policies, which not everybody has.
    misspelt = [name for name in unknown if name not in _USUAL]
    hidden = [name for name in missing if name in _EVERYBODY]
    advice = []
    if misspelt:
        advice.append(f"Check the spelling of {', '.join(misspelt)}: the schema has no such name.")
    if hidden:
        advice.append(
            f"People nearly always have {', '.join(hidden)}: give the bind account the right to "
            "read it."
        )
    return Step(
        "Attributes", True, f"{len(missing)} of {count} were not seen in a sample.",
        listed("Nobody has them, or the bind account may not read them", missing),
        " ".join(advice),
    )  # fmt: skip


def read_groups(source: SourceRecord, conversation: Conversation) -> Step:
    """How many groups there are."""
    if not source.group_bases:
        return Step("Groups", True, "Groups are not read.")
    count = _count(conversation, source.group_bases, source.group_filter)
    advice = "" if count else "Check bases and filter if rules are to use groups."
    return Step("Groups", True, f"{_bounded(count)} match the filter.", source.group_filter, advice)


def _count(conversation: Conversation, bases: Collection[str], filter_: str) -> int:
    count = 0
    for asked in searches(bases, filter_):
        more = COUNT_LIMIT + 1 - count
        count += len(conversation.search(asked, NO_ATTRIBUTES, limit=more)) if more else 0
    return count


def _bounded(count: int) -> str:
    return f"More than {COUNT_LIMIT:,}" if count > COUNT_LIMIT else f"{count:,}"
