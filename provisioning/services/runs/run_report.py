"""What a run found, as figures and words, for every face of the console."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from provisioning.models import PlannedChange, Run
from provisioning.services.runs.run_effects import Effects, effects_of

KINDS = {"person": "People", "group": "Groups", "account": "Accounts", "value": "Values"}
ACTIONS = {
    "create": "new", "update": "changed", "leave": "leaving", "return": "coming back",
    "join": "joined", "separate": "separated", "rekey": "with another key",
    "resolve": "no longer in conflict", "empty": "emptied", "withdraw": "no longer proposed",
}  # fmt: skip
_OF = {Run.Kind.JOIN: "entries of several sources"}
_HELD_AS = {"value": "empty"}
_EXAMPLES = 10
# Fields of rows that the console derives from the others.
_OWN = {"name_key", "search_key", "content_hash", "left", "source", "person", "version"}


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run: `figures` are of what it planned, `limits` those that it passes.

    `problem` is why it failed or was stopped, `remark` what else should be known.
    `effects` is what applying does downstream: of what waits, or of all that a preview planned.
    `conflicts` and `proposals` are examples, at most ten of each, as "name: what".
    """

    run: int
    of: str
    state: str
    dry: bool
    problem: str
    remark: str
    figures: dict[str, dict[str, int]]
    read: int
    read_groups: int
    unreadable: int
    held: int
    limits: list[str]
    conflicts: list[str]
    conflict_count: int
    proposals: list[str]
    effects: Effects | None

    def as_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return asdict(self)


def report_run(*, run: Run) -> RunReport:
    """What `run` found; a few queries."""
    statuses = PlannedChange.Status
    problems = run.changes.filter(status=statuses.PROBLEM).order_by("ordinal")
    proposed = run.changes.filter(status=statuses.PROPOSED).order_by("ordinal")[:_EXAMPLES]
    return RunReport(
        run=run.pk,
        of=str(run.source or run.undoes or _OF.get(Run.Kind(run.kind), "account rules")),
        state=run.state,
        dry=run.dry,
        problem=run.problem,
        remark=run.remark,
        figures=figures_of(run),
        read=run.counts.get("read.people", 0),
        read_groups=run.counts.get("read.groups", 0),
        unreadable=run.counts.get("read.unreadable", 0),
        held=run.changes.filter(status=statuses.HELD).count(),
        limits=list(run.breaches),
        conflicts=[f"{row.name}: {row.message}" for row in problems[:_EXAMPLES]],
        conflict_count=problems.count(),
        proposals=[
            f"{row.name}: {old} → {row.after[what]}"
            for row in proposed
            for what, old in row.before.items()
        ],
        effects=effects_of(run=run),
    )


def changes_of(run: Run, *, status: str = "") -> Iterator[dict[str, Any]]:
    """Every planned change of `run`, in order: who, what, each field before and after, its status.

    With `status` only those. What the console keeps for itself (keys of lists, hashes) is left out;
    references are ids.
    """
    rows = run.changes.exclude(action="refresh").order_by("ordinal")
    if status:
        rows = rows.filter(status=status)
    for row in rows.iterator(chunk_size=2000):
        fields = {
            name: [row.before.get(name), value]
            for name, value in row.after.items()
            if name not in _OWN and value != row.before.get(name)
        }
        yield {
            "kind": row.kind, "action": row.action, "name": row.name, "key": row.key,
            "subject": row.subject,
            "status": row.status, "message": row.message, "fields": fields,
        }  # fmt: skip


def figures_of(run: Run) -> dict[str, dict[str, int]]:
    """What the run planned: kind → action → how many, without what is zero."""
    found = {
        kind: {
            action: count for action in ACTIONS if (count := run.counts.get(f"{kind}.{action}", 0))
        }
        for kind in KINDS
    }
    for kind, actions in found.items():
        # Groups that pass a limit are held while they are planned, and counted as such; so are
        # values that would be emptied.
        if held := run.counts.get(f"{kind}.held", 0):
            action = _HELD_AS.get(kind, "update")
            actions[action] = actions.get(action, 0) + held
    return {kind: actions for kind, actions in found.items() if actions}


def words_of(actions: dict[str, int]) -> str:
    """ "12 new, 3 changed"."""
    return ", ".join(f"{count:,} {ACTIONS[action]}" for action, count in actions.items())


def summary_of(run: Run) -> str:
    """What the run planned, in one line; empty for nothing."""
    totals: dict[str, int] = {}
    for actions in figures_of(run).values():
        for action, count in actions.items():
            totals[action] = totals.get(action, 0) + count
    parts = [words_of(totals)] if totals else []
    problems = run.counts.get("account.problem", 0) + run.counts.get("person.problem", 0)
    if problems:
        parts.append(f"{problems:,} conflict{'' if problems == 1 else 's'}")
    return ", ".join(parts)


def count_changes(run: Run) -> int:
    """How many changes the run planned."""
    return sum(count for actions in figures_of(run).values() for count in actions.values())
