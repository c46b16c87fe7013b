"""Numbers that Teams or anything else serves, as a directory names them: never given to anybody."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.core.expression import Expression
from provisioning.core.expression_functions import REGION
from provisioning.core.limits import Category
from provisioning.core.records import Entry
from provisioning.core.telephone import normalise
from provisioning.core.text import clean_line
from provisioning.directory.attributes import compile_reading
from provisioning.models import DirectorySource, Number

_CHUNK = 1000
_NAMED = ("displayname", "cn", "samaccountname", "uid")
_STATES = Number.State


class NumbersElsewhere:
    """Collects the numbers that a complete read of a source says are used elsewhere."""

    def __init__(self, source: DirectorySource) -> None:
        self._source = source
        self._expression: Expression | None = None
        if source.elsewhere_expression:
            self._expression = compile_reading(source.elsewhere_expression)
        self._found: dict[str, str] = {}
        self._unreadable = 0

    @property
    def attributes(self) -> frozenset[str]:
        """What has to be read of people; nothing where nobody asked."""
        return self._expression.names if self._expression else frozenset()

    def look(self, entries: Iterable[Entry]) -> None:
        """Keep the numbers of these entries."""
        if self._expression is None:
            return
        for entry in entries:
            values = {
                name: [value.decode("utf-8", "replace") for value in entry.attributes[name]]
                for name in self._expression.names
                if name in entry.attributes
            }
            if not values:
                continue
            try:
                text = self._expression({**values, REGION: [""]})
                if text:
                    self._found.setdefault(normalise(text, ""), _name_of(entry))
            except InvalidInput:
                self._unreadable += 1

    def keep(self) -> list[str]:
        """Mark the numbers, release those that are gone; what somebody should know, in sentences.

        Whom an account has keeps it. If all are gone, or more than the source's limit lets pass,
        none is released: a right to read may have been lost.
        """
        if self._expression is None:
            return []
        with transaction.atomic():
            return self._keep()

    def _keep(self) -> list[str]:
        source = self._source
        marked = Number.objects.filter(used_in=source, state=_STATES.USED_ELSEWHERE)
        known = dict(marked.values_list("e164", "note"))
        new = [e164 for e164, note in self._found.items() if known.get(e164) != note]
        remarks = []
        owned = _mark(source, new, self._found)
        if owned:
            remarks.append(
                f"{owned:,} number{' that is' if owned == 1 else 's that are'} used elsewhere "
                f"belong{'s' if owned == 1 else ''} to an account here and stay"
                f"{'s' if owned == 1 else ''} with it."
            )
        gone = known.keys() - self._found.keys()
        allowed = source.limit().allowed(Category.NUMBER, len(known))
        if gone and (len(gone) > allowed or (len(known) > 1 and not self._found)):
            remarks.append(
                f"{len(gone):,} of {len(known):,} numbers used elsewhere are not named in the "
                f"directory any more; at most {allowed:,} are released by themselves, so all stay "
                "as they are. If that is meant, empty “number used elsewhere” under Write-back, "
                "save, and set it again."
            )
        elif gone:
            _release(source, sorted(gone))
        if self._unreadable:
            remarks.append(
                f"{self._unreadable:,} values of “number used elsewhere” are no numbers."
            )
        return remarks


def release_all(*, source: DirectorySource) -> int:
    """Make every number free that only this directory said is used elsewhere; how many."""
    marked = Number.objects.filter(used_in=source, state=_STATES.USED_ELSEWHERE)
    return _release(source, list(marked.values_list("e164", flat=True)))


def _mark(source: DirectorySource, numbers: list[str], notes: dict[str, str]) -> int:
    """Mark numbers that nobody here has; how many somebody has."""
    owned = 0
    for start in range(0, len(numbers), _CHUNK):
        chunk = numbers[start : start + _CHUNK]
        rows = {row.e164: row for row in Number.objects.filter(e164__in=chunk).select_for_update()}
        now = timezone.now()
        changed: list[Number] = []
        added: list[Number] = []
        for e164 in chunk:
            row = rows.get(e164)
            if row is not None and row.account_id is not None:
                owned += 1
                continue
            # Whom an administrator or a CSV file has marked says more than the directory.
            if row is not None and row.state == _STATES.USED_ELSEWHERE and row.used_in_id is None:
                continue
            kept = row or Number(e164=e164)
            kept.state, kept.note = _STATES.USED_ELSEWHERE, notes[e164][:200]
            kept.used_in, kept.quarantined_until, kept.changed_at = source, None, now
            (added if row is None else changed).append(kept)
        Number.objects.bulk_create(added)
        Number.objects.bulk_update(
            changed, ["state", "note", "used_in", "quarantined_until", "changed_at"]
        )
    return owned


def _release(source: DirectorySource, numbers: list[str]) -> int:
    count = 0
    for start in range(0, len(numbers), _CHUNK):
        count += Number.objects.filter(
            used_in=source, state=_STATES.USED_ELSEWHERE, e164__in=numbers[start : start + _CHUNK]
        ).update(state=_STATES.FREE, note="", used_in=None, changed_at=timezone.now())
    return count


def _name_of(entry: Entry) -> str:
    for name in _NAMED:
        if values := entry.attributes.get(name):
            return clean_line(values[0].decode("utf-8", "replace"))[:200]
    return clean_line(entry.dn)[:200]
