"""Planning a write-back: which values of which entries differ from those of the accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from provisioning.core.errors import InvalidInput, Rejected
from provisioning.core.limits import Category, Emptied
from provisioning.core.records import Entry, SourceRecord
from provisioning.core.text import clean_line
from provisioning.core.written import ValueChange, compare_value, finish_value
from provisioning.directory.conversation import ask_first
from provisioning.directory.reader import Reader
from provisioning.directory.selection import filters_of_keys
from provisioning.directory.writable import find_unsuitable
from provisioning.directory.writing import texts
from provisioning.models import Account, DirectorySource, Person, PlannedChange, Run, WrittenValue
from provisioning.services.runs.plan import PlanWriter
from provisioning.services.runs.progress import Progress
from provisioning.services.sync.sync import Plan
from provisioning.services.write_back.account_values import (
    AccountValues,
    Extensions,
    entries_changed_since,
    read_account_values,
)
from provisioning.services.write_back.write_back import (
    Written,
    active_attributes,
    reading_record,
    settings_of,
    writing_record,
)

# What is committed late carries an earlier moment.
OVERLAP = timedelta(minutes=1)
_EMPTIED = "It would be emptied, which never happens without approval."
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that is to change, or why it stays (`problem`), of the person with this key."""

    guid: str
    name: str
    attribute: str
    change: ValueChange | None
    problem: str = ""


class Comparison:
    """Compares entries with the accounts of their people, a page at a time."""

    def __init__(self, source: DirectorySource, attributes: Sequence[Written]) -> None:
        self._source = source
        self._attributes = attributes
        self._extensions = Extensions()

    def find(self, entries: Sequence[Entry]) -> Iterator[Difference]:
        """What differs, in the order of the entries; three queries for all of them."""
        guids = [entry.guid for entry in entries]
        accounts = read_account_values(self._source.pk, guids, self._extensions)
        ours = _written(self._source, guids)
        names = _names_of(self._source, guids)
        for entry in entries:
            account = accounts.get(entry.guid)
            name = names.get(entry.guid) or (account.name if account else clean_line(entry.dn))
            for written in self._attributes:
                found = _compare(entry, account, written, ours[entry.guid, written.attribute])
                if isinstance(found, str):
                    yield Difference(entry.guid, name, written.attribute, None, found)
                elif found is not None:
                    yield Difference(entry.guid, name, written.attribute, found)


def plan_values(*, run: Run, source: DirectorySource, progress: Progress) -> Plan:
    """Read what is written in `source` and plan every value that differs.

    A run of changes looks at those whose accounts changed, and at those who wait for approval.
    Raises a ProvisioningError where nothing can be planned; nothing was changed then.
    """
    attributes = _usable(source)
    record = reading_record(source)
    _check_schema(record, attributes)
    names = [each.attribute for each in attributes]
    chosen = None if run.reading == Run.Reading.FULL else _changed(source)
    plan = Plan(PlanWriter(run))
    total = len(chosen) if chosen is not None else source.people.filter(left_at=None).count()
    progress.phase(Run.Phase.READ, total)
    comparison = Comparison(source, attributes)
    read = emptied = 0
    if chosen is None or chosen:
        only = None if chosen is None else filters_of_keys(source.key_attribute, sorted(chosen))
        with Reader(record) as reader:
            for page in reader.people(names, only):
                emptied += _plan_page(source, comparison.find(page), plan.writer)
                read += len(page)
                progress.advance(len(page))
    plan.writer.flush()
    plan.writer.counts["read.people"] = read
    if not read and chosen is None:
        raise Rejected("The directory answered, but with 0 people. Nothing was written.")
    if emptied:
        plan.breaches.append(Emptied(emptied))
    return plan


def preview_values(*, source: DirectorySource, attributes: Sequence[Written]) -> list[Difference]:
    """What would be written to the first people of `source` that have an account, by name.

    A value that is right already has neither change nor problem. Raises a ProvisioningError.
    """
    first = Account.objects.filter(person__source=source, slot="main").order_by("name_key", "id")
    guids = list(first.values_list("person__guid", flat=True)[:_SHOWN])
    if not guids or not attributes:
        return []
    names = [each.attribute for each in attributes]
    with Reader(reading_record(source)) as reader:
        pages = reader.people(names, filters_of_keys(source.key_attribute, guids))
        entries = {entry.guid: entry for page in pages for entry in page}
    present = [entries[guid] for guid in guids if guid in entries]
    differing = {
        (each.guid, each.attribute): each for each in Comparison(source, attributes).find(present)
    }
    people = _names_of(source, guids)
    return [
        differing.get((entry.guid, name))
        or Difference(entry.guid, people.get(entry.guid, ""), name, None)
        for entry in present
        for name in names
    ]


def changed_since(source: DirectorySource) -> Collection[str]:
    """GUIDs of the people whose accounts changed since the last write-back looked."""
    seen = settings_of(source).seen_change
    entries = entries_changed_since(source.pk, None if seen is None else seen - OVERLAP)
    return set(entries.values_list("guid", flat=True))


def _usable(source: DirectorySource) -> list[Written]:
    settings = settings_of(source)
    if not settings.enabled:
        raise Rejected(f"Nothing is written to {source}: its write-back is off.")
    writing_record(settings)  # whose password is missing is not found out after an approval
    attributes = active_attributes(source)
    if not attributes:
        raise Rejected(
            "No attribute can be written yet: those that are set wait for a second administrator."
        )
    return attributes


def _check_schema(record: SourceRecord, attributes: Sequence[Written]) -> None:
    names = [each.attribute for each in attributes]
    unsuitable = ask_first(record, lambda talk: find_unsuitable(talk, names))
    for name, why in unsuitable.items():
        raise InvalidInput(f"{name} {why}, so nothing was written. Choose another attribute.")


def _changed(source: DirectorySource) -> set[str]:
    waiting = PlannedChange.objects.filter(
        run__kind=Run.Kind.WRITE_BACK, run__source=source, run__state=Run.State.WAITING,
        status=PlannedChange.Status.HELD,
    )  # fmt: skip
    return {*changed_since(source), *waiting.values_list("subject", flat=True)}


def _plan_page(
    source: DirectorySource, differences: Iterable[Difference], writer: PlanWriter
) -> int:
    """Write a row for each difference; how many values would be emptied."""
    emptied = 0
    for each in differences:
        change = each.change or ValueChange("none", "", "")
        empties = change.action == "empty"
        emptied += empties
        status = "held" if empties else "planned" if each.change else "problem"
        writer.add(
            source_id=source.pk, kind="value", key=f"{each.guid}/{each.attribute}",
            subject=each.guid, name=each.name, action=change.action,
            before={each.attribute: change.before} if each.change else {},
            after={each.attribute: change.after} if each.change else {},
            category=Category.DIRECTORY if each.change else Category.NONE,
            status=status, message=_EMPTIED if empties else each.problem,
        )  # fmt: skip
    return emptied


def _compare(
    entry: Entry, account: AccountValues | None, written: Written, ours: set[str]
) -> ValueChange | str | None:
    """What changes, why it cannot (a text), or None where nothing does."""
    if account is None and not ours:
        return None
    present = texts(entry.attributes.get(written.attribute.lower(), ()))
    try:
        value = written.value(account.values) if account else ""
        wanted = finish_value(written.attribute, value)
        return compare_value(written.attribute, present, wanted, ours)
    except InvalidInput as error:
        return error.message


def _written(source: DirectorySource, guids: list[str]) -> defaultdict[tuple[str, str], set[str]]:
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    rows = WrittenValue.objects.filter(source=source, guid__in=guids)
    for guid, attribute, value in rows.values_list("guid", "attribute", "value"):
        found[guid, attribute].add(value)
    return found


def _names_of(source: DirectorySource, guids: list[str]) -> dict[str, str]:
    people = Person.objects.filter(source=source, guid__in=guids)
    return {
        guid: name or login
        for guid, name, login in people.values_list("guid", "display_name", "login")
    }


def mark_looked(*, run: Run) -> None:
    """Note that `run` looked at everything that had changed when it began."""
    if run.source is None:
        return
    settings = settings_of(run.source)
    settings.seen_change = run.started_at
    fields = ["seen_change"]
    if run.reading == Run.Reading.FULL:
        settings.last_full_at = timezone.now()
        fields.append("last_full_at")
    settings.save(update_fields=fields)
