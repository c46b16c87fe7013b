"""Writing a plan: rows go to the database as a stream, only tallies stay in memory."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import orjson
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from provisioning.core.limits import Category
from provisioning.models import PlannedChange, Run
from provisioning.services import bulk
from provisioning.services.runs.behind import Behind

_COLUMNS = (
    "run_id", "source_id", "ordinal", "kind", "key", "subject", "name", "action", "before", "after",
    "base_version", "category", "domain_id", "pool_id", "status", "message", "at",
)  # fmt: skip
# A batch has so many rows, or fewer where they are long: a group has all its members in one.
_BATCH = 5000
_LONGEST_BATCH = 4 << 20
_dumps = orjson.dumps
TABLE = PlannedChange._meta.db_table
# The rows that were made so (PlannedChange.is_applied), and those of a run that still may be.
APPLIED = Q(status=PlannedChange.Status.APPLIED) | Q(
    status=PlannedChange.Status.PLANNED, ordinal__lte=F("run__applied_to")
)
UNAPPLIED = Q(status=PlannedChange.Status.PLANNED, ordinal__gt=F("run__applied_to"))

# Which people a plan puts at risk: (column, id) of a source, SIP domain or pool → category → GUIDs.
Tally = defaultdict[tuple[str, int], defaultdict[Category, set[str]]]


def as_json(value: Any) -> str:
    """Compact JSON with sorted keys, as digests use it."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


class PlanWriter:
    """Streams the rows of one run's plan; `flush` writes the rest, and others see all of it then.

    `asked` is whose account it decides because somebody asked, and how often (person id → times).
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.ordinal = 0
        self.counts: Counter[str] = Counter()
        self.asked: dict[int, int] = {}
        self.tally: Tally = defaultdict(lambda: defaultdict(set))
        self._rows: list[tuple[Any, ...]] = []
        self._length = 0
        self._at = bulk.moment()
        self._behind: Behind | None = None

    @contextmanager
    def writing_behind(self) -> Iterator[None]:
        """Meanwhile write a large plan in a thread of its own, and all of it before the end.

        In a transaction of the caller the rows belong to it and are written there.
        """
        behind = Behind()
        if not connection.in_atomic_block:
            self._behind = behind
        try:
            yield
            self.flush()
        finally:
            self._behind = None
            behind.close()

    def add(
        self,
        *,
        source_id: int,
        kind: str,
        key: str,
        subject: str,
        name: str,
        action: str,
        after: dict[str, Any],
        before: dict[str, Any] | None = None,
        base_version: int = 0,
        category: Category = Category.NONE,
        domain_id: int | None = None,
        pool_id: int | None = None,
        status: str = "planned",
        message: str = "",
    ) -> None:
        """Add one row; `before` and `after` are JSON without secrets."""
        self.ordinal += 1
        self.counts[f"{kind}.{action}" if status == "planned" else f"{kind}.{status}"] += 1
        if category and status == "planned" and kind != "group":
            scopes = (("source_id", source_id), ("domain_id", domain_id), ("pool_id", pool_id))
            for column, scope in scopes:
                if scope is not None:
                    self.tally[column, scope][category].add(subject)
        text = _dumps(after).decode()
        self._length += len(text)
        self._rows.append(
            (
                self.run.pk, source_id, self.ordinal, kind, key, subject, name[:200], action,
                _dumps(before).decode() if before else "{}", text, base_version,
                category.value, domain_id, pool_id, status, message, self._at,
            )
        )  # fmt: skip
        if len(self._rows) >= _BATCH or self._length >= _LONGEST_BATCH:
            self._write()

    def flush(self) -> None:
        """Write what is buffered, in short transactions of its own."""
        if self._behind is not None and self._behind.is_used:
            self._write()
            self._behind.wait()
        elif self._rows:
            _insert(self._take())

    def _write(self) -> None:
        if self._behind is None:
            _insert(self._take())
        else:
            self._behind.add(partial(_insert, self._take()))

    def _take(self) -> list[tuple[Any, ...]]:
        rows, self._rows, self._length = self._rows, [], 0
        return rows


def _insert(rows: list[tuple[Any, ...]]) -> None:
    with transaction.atomic():
        bulk.commit_lazily()
        bulk.insert_rows(TABLE, _COLUMNS, rows)


def replaced_by(run: Run) -> QuerySet[Run]:
    """The waiting runs whose place `run` takes: of the same kind, about the same."""
    return Run.objects.filter(
        kind=run.kind,
        source=run.source,
        undoes=run.undoes,
        question=run.question,
        state=Run.State.WAITING,
    ).exclude(pk=run.pk)


def digest_of(run: Run, status: str) -> str:
    """What an approval is bound to: each row of `run` with that status, content, base version."""
    content = hashlib.blake2b(digest_size=32)
    rows = (
        run.changes.filter(status=status)
        .order_by("kind", "key", "action")
        .values_list("kind", "key", "action", "after", "base_version")
    )
    for row in rows.iterator(chunk_size=2000):
        content.update(as_json(row).encode())
    return content.hexdigest()
