"""What changed in a source since it was read last, and when that cannot be told."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from provisioning.core.text import clean_line
from provisioning.directory.changes import Changes, ChangesRefused, is_below
from provisioning.directory.dn import normalise_dn
from provisioning.directory.mapping import PersonMapping
from provisioning.directory.selection import filters_of_values
from provisioning.models import DirectoryGroup, DirectorySource, Person, PlannedChange, Run
from provisioning.services.directory.readers import AnyReader, read_changes
from provisioning.services.runs.plan import as_json

_DIGEST = 16
# How long to wait before everything is read again where changes cannot be read.
PATIENCE = timedelta(minutes=15)


def follows_changes(source: DirectorySource) -> bool:
    """Whether the source is set to be read by its changes."""
    return source.mode != DirectorySource.Mode.FULL


def sealed(source: DirectorySource, mapping: PersonMapping, cookie: bytes) -> bytes:
    """`cookie` together with what it is good for: a source that is set otherwise reads all."""
    return _settings(source, mapping) + cookie


def find_changes(*, source: DirectorySource, reader: AnyReader, mapping: PersonMapping) -> Changes:
    """What changed since the source's cookie; raises ChangesRefused where all has to be read."""
    cookie = bytes(source.cookie or b"")
    if not cookie:
        raise ChangesRefused(source.fell_back or "Changes are read from the first full read on.")
    if cookie[:_DIGEST] != _settings(source, mapping):
        raise ChangesRefused("What is read of this directory was set otherwise.")
    attributes = frozenset(mapping.attributes)
    changes = read_changes(reader, source.mode, cookie[_DIGEST:], attributes)
    if changes.everything:
        raise ChangesRefused(changes.everything)
    return changes


def keys_of(*, source: DirectorySource, reader: AnyReader, changes: Changes) -> set[str]:
    """The keys of all entries that the changes concern, of those that are gone too."""
    keys = set(changes.touched)
    for base, present in changes.present.items():
        keys |= _below(source, normalise_dn(base)) - present
    if changes.members:
        keys |= _keys_of_members(source, reader, changes.members)
    return keys


def note_fallback(*, source: DirectorySource, reason: str) -> None:
    """Keep why everything was read, for the source's page."""
    source.fell_back, source.fell_back_at = clean_line(reason), timezone.now()
    source.save(update_fields=["fell_back", "fell_back_at", "cookie"])


def keep_cookie(*, run: Run) -> None:
    """Let changes be read from where this run's reading began, now that nothing of it is open.

    Until here the source has the cookie of before: a run that ends halfway is read again. What did
    not fit any more is not told a second time, so everything is read next.
    """
    if run.source is None or run.cookie is None:
        return
    source = DirectorySource.objects.filter(pk=run.source.pk)
    stale = run.changes.filter(status=PlannedChange.Status.STALE).exclude(kind="account")
    if stale.exists():
        reason = f"What run #{run.pk} planned did not fit any more."
        source.update(cookie=None, fell_back=reason, fell_back_at=None, groups_exact=False)
    else:
        source.update(cookie=run.cookie, groups_exact=_groups_are_exact(run, source.get()))
    run.cookie = None  # an approved run ends a second time, when reading has gone on
    run.save(update_fields=["cookie"])


def _groups_are_exact(run: Run, source: DirectorySource) -> bool:
    """Whether groups are as the directory has them: all were read, or were so before, and whatever
    differed was applied.
    """
    status = PlannedChange.Status
    open_rows = PlannedChange.objects.filter(run__source=source, kind="group").filter(
        Q(run=run, status__in=[status.HELD, status.STALE, status.DISCARDED])
        | Q(run__state=Run.State.WAITING, status=status.HELD)
    )
    if source.groups_stale_since or open_rows.exists():
        return False
    present = DirectoryGroup.objects.filter(source=source, left_at=None)
    return source.groups_exact or present.count() == run.counts.get("read.groups", 0)


def found_nothing(*, run: Run) -> bool:
    """Whether `run` read changes, came upon none that concern the console, and has nothing to say.

    After a failed run there is something to say: that it works again.
    """
    if run.reading == Run.Reading.FULL or run.remark or run.source is None:
        return False
    if any(not name.startswith("read.") for name in run.counts):
        return False
    return not failed_last(source=run.source, before=run.pk, kind=Run.Kind(run.kind))


def failed_last(
    *, source: DirectorySource, before: int | None = None, kind: Run.Kind = Run.Kind.SYNC
) -> bool:
    """Whether the newest run of the source, or the newest one before a run's id, failed."""
    runs = Run.objects.filter(source=source, dry=False, kind=kind)
    if before is not None:
        runs = runs.filter(pk__lt=before)
    newest = runs.order_by("-id").first()
    return newest is not None and newest.state == Run.State.FAILED


def _settings(source: DirectorySource, mapping: PersonMapping) -> bytes:
    """Changes with every setting that decides what is read of an entry, or of which entries."""
    settings = (
        source.mode, source.person_bases, source.person_filter, source.group_bases,
        source.group_filter, source.key_attribute, mapping.identity.hex(),
    )  # fmt: skip
    return hashlib.blake2b(as_json(settings).encode(), digest_size=_DIGEST).digest()


def _below(source: DirectorySource, base: str) -> set[str]:
    """Who of this source is kept as being below `base`."""
    found: set[str] = set()
    for model in (Person, DirectoryGroup):
        rows = model.objects.filter(source=source, left_at__isnull=True).values_list("guid", "dn")
        for guid, dn in rows.iterator(chunk_size=10_000):
            name = normalise_dn(dn)
            if name == base or is_below(name, base):
                found.add(guid)
    return found


def _keys_of_members(source: DirectorySource, reader: AnyReader, dns: Iterable[str]) -> set[str]:
    """Who joined a group, as the directory has them, and who left one, as they are known."""
    wanted = {normalise_dn(dn) for dn in dns}
    filters = filters_of_values(("distinguishedName",), dns)
    found = {entry.guid for page in reader.people((), filters) for entry in page}
    rows = Person.objects.filter(source=source, left_at__isnull=True).values_list("guid", "dn")
    return found | {
        guid for guid, dn in rows.iterator(chunk_size=10_000) if normalise_dn(dn) in wanted
    }
