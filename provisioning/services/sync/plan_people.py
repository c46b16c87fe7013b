"""Planning people: what a complete directory read changes, one page at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Case, Value, When
from django.utils import timezone

from provisioning.core.errors import InvalidInput, Rejected
from provisioning.core.limits import Category
from provisioning.core.moments import moment
from provisioning.core.records import PERSON_FIELDS, PERSON_FLAGS, Entry
from provisioning.core.states import is_out
from provisioning.core.text import clean_line, fold, search_key
from provisioning.directory.mapping import PersonMapping
from provisioning.directory.sid import sid_of
from provisioning.models import DirectorySource, Person
from provisioning.services.directory.elsewhere import NumbersElsewhere
from provisioning.services.directory.readers import AnyReader
from provisioning.services.runs.plan import PlanWriter
from provisioning.services.runs.progress import Progress

# What the columns of a person hold besides the mapped fields.
COLUMNS = ("dn", *PERSON_FIELDS, *PERSON_FLAGS, "sid", "content_hash", "name_key", "search_key")
_SHOWN = ("dn", *PERSON_FIELDS, *PERSON_FLAGS)
_LEFT = "left"
_SEEN = ""


@dataclass(slots=True)
class ReadResult:
    """What a complete read found: people, entries left out, and the GUIDs of the unreadable.

    As many as `set_aside` stand for nobody who could have an account, by the source's map.
    """

    people: int = 0
    left_out: int = 0
    unreadable: set[str] = field(default_factory=set)
    set_aside: int = 0


def plan_people(
    *,
    source: DirectorySource,
    mapping: PersonMapping,
    reader: AnyReader,
    meet: Callable[[Entry], None] | None,
    writer: PlanWriter,
    progress: Progress,
    only: Collection[str] | None = None,
    elsewhere: NumbersElsewhere | None = None,
) -> ReadResult:
    """Compare every entry with what is known and write a row for each difference, leavers last.

    `only` are the keys of those who are looked at; everybody else stays as known.

    The reader raises when the read is not complete; then nothing of the plan counts. An unchanged
    entry costs a content hash and nothing else. Raises Rejected when the directory answered with
    nobody at all. Who is in the directory but could not be read stays as known. `meet`, where
    groups are read too, gets to know everybody who is kept: whoever else is there is no member.
    """
    known = _content_hashes(source, only)
    chosen = None if only is None else reader.select(sorted(only))
    result = ReadResult()
    for page in reader.people(mapping.attributes, chosen):
        changed: list[tuple[Entry, str, bool]] = []
        if elsewhere is not None:
            elsewhere.look(page)
        for entry in page:
            guid = entry.guid
            digest = mapping.digest(entry).hex()
            before = known.get(guid)
            if before == _SEEN:
                continue
            known[guid] = _SEEN
            result.people += 1
            if before != digest:
                changed.append((entry, digest, before is not None))
            elif meet is not None:
                meet(entry)
        kept = _plan_page(source, mapping, changed, writer, result)
        if meet is not None:
            for entry in kept:
                meet(entry)
        progress.advance(len(page))
    if not result.people and only is None:
        raise Rejected(
            "The directory answered, but with 0 people. Nothing was changed. Check the bases, the "
            "filter and the read rights of the bind account."
        )
    result.left_out = reader.left_out
    _plan_leavers(source, known, reader, writer)
    return result


def _content_hashes(source: DirectorySource, only: Collection[str] | None) -> dict[str, str]:
    people = Person.objects.filter(source=source)
    if only is not None:
        people = people.filter(guid__in=only)
    content = Case(When(left_at=None, then="content_hash"), default=Value(_LEFT))
    return dict(people.values_list("guid", content).iterator(chunk_size=10_000))


def _plan_page(
    source: DirectorySource,
    mapping: PersonMapping,
    changed: list[tuple[Entry, str, bool]],
    writer: PlanWriter,
    result: ReadResult,
) -> list[Entry]:
    """Plan the `changed` entries of a page: with content hash, and whether the person is known.

    Returns those that are somebody whom the console keeps.
    """
    kept: list[Entry] = []
    old = {p["guid"]: p for p in _people_of(source, [e.guid for e, _, known in changed if known])}
    for entry, digest, _ in changed:
        person = old.get(entry.guid)
        try:
            mapped = mapping.record(entry)
        except InvalidInput as error:
            result.unreadable.add(entry.guid)
            writer.add(
                source_id=source.pk, kind="person", key=entry.guid, subject=entry.guid,
                name=clean_line(entry.dn), action="none", after={}, status="problem",
                message=error.message,
            )  # fmt: skip
            if person is not None and person["left_at"] is None:
                kept.append(entry)
            continue
        if mapped.is_left_out:
            result.people -= 1
            result.set_aside += 1
            if person is not None and person["left_at"] is None:
                _plan_leaving(source, person, writer, {"left": True, "left_out": True})
            continue
        kept.append(entry)
        values = {**mapped.fields, **mapped.flags, "sid": sid_of(entry)}
        after = complete(values, dn=entry.dn, content_hash=digest)
        if person is None:
            writer.add(
                source_id=source.pk, kind="person", key=entry.guid, subject=entry.guid,
                name=after["display_name"] or after["login"], action="create",
                after={column: value for column, value in after.items() if value},
            )  # fmt: skip
        else:
            _plan_update(source, person, after, writer)
    return kept


def complete(values: dict[str, Any], *, dn: str, content_hash: str) -> dict[str, Any]:
    """All columns of a person: `values` (PERSON_FIELDS, _FLAGS, sid) and what follows from them."""
    name = values["display_name"] or values["login"]
    return {
        **values,
        "dn": dn,
        "content_hash": content_hash,
        "name_key": fold(name)[:200],
        "search_key": search_key(
            name, values["login"], values["mail"], values["phone"], values["department"]
        ),
    }


def _plan_update(
    source: DirectorySource, person: dict[str, Any], after: dict[str, Any], writer: PlanWriter
) -> None:
    changes = {column: after[column] for column in COLUMNS if after[column] != person[column]}
    before = {column: person[column] for column in _SHOWN if column in changes}
    returned = person["left_at"] is not None
    loses_service = not returned and not _is_out(person) and _is_out(after)
    action = "return" if returned else "update" if before else "refresh"
    writer.add(
        source_id=source.pk, kind="person", key=person["guid"], subject=_subject(person),
        name=after["display_name"] or after["login"], action=action, before=before, after=changes,
        base_version=person["version"],
        category=Category.SERVICE if loses_service else Category.NONE,
    )  # fmt: skip


def _plan_leavers(
    source: DirectorySource, known: dict[str, str], reader: AnyReader, writer: PlanWriter
) -> None:
    """Whoever was not read left, except entries that are there and could not be used."""
    if reader.left_out > len(reader.problems):
        return  # more than the reader can name: anybody may be among them
    unusable = {problem.dn for problem in reader.problems}
    leavers = [guid for guid, content in known.items() if content not in (_SEEN, _LEFT)]
    for person in _people_of(source, leavers):
        if person["dn"] not in unusable:
            _plan_leaving(source, person, writer, {"left": True})


def _plan_leaving(
    source: DirectorySource, person: dict[str, Any], writer: PlanWriter, after: dict[str, Any]
) -> None:
    writer.add(
        source_id=source.pk, kind="person", key=person["guid"], subject=_subject(person),
        name=person["display_name"] or person["login"], action="leave", before={"left": False},
        after=after, base_version=person["version"],
        category=Category.NONE if _is_out(person) else Category.SERVICE,
    )  # fmt: skip


def _subject(person: dict[str, Any]) -> str:
    """Whom a change is about, so that it waits with the account: of an entry its person."""
    return str(person["same_as__guid"] or person["guid"])


def _is_out(values: dict[str, Any]) -> bool:
    if not values["expires_at"]:  # as with nearly everybody, so that no clock is read
        return bool(values["disabled"])
    return is_out(
        disabled=values["disabled"], expires_at=values["expires_at"], now=moment(timezone.now())
    )


def _people_of(source: DirectorySource, guids: list[str]) -> Iterator[dict[str, Any]]:
    for start in range(0, len(guids), 500):
        chunk = guids[start : start + 500]
        yield from Person.objects.filter(source=source, guid__in=chunk).values(
            "id", "guid", "version", "left_at", "same_as__guid", *COLUMNS
        )
