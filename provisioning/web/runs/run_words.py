"""A run in words and figures: where it stands, what it found, what happens next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from provisioning.models import PendingChange, PlannedChange, Run
from provisioning.services.push.outbox import manageable_stores
from provisioning.services.push.pause import is_paused
from provisioning.services.runs.plan import APPLIED
from provisioning.services.runs.run_report import count_changes

OPEN = (Run.State.QUEUED, Run.State.RUNNING)
_STEPS = (
    (Run.Phase.READ, "Read"), (Run.Phase.PLAN, "Plan"), (Run.Phase.CHECK, "Check limits"),
    (Run.Phase.APPLY, "Apply"),
)  # fmt: skip
_NO_WORKER = timedelta(seconds=30)
_READ_BACK = "The values are in the directory, and were read back from there."


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the stepper: state is done, now, todo or failed."""

    label: str
    state: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What a run is doing or has done: a headline, a sentence, and how far it has come."""

    title: str
    text: str
    value: int = 0
    total: int = 0


def _reads_changes(run: Run) -> bool:
    return run.reading == Run.Reading.CHANGES


def steps_of(run: Run) -> list[Step]:
    """The steps of `run`: a run of the rules reads nothing, a preview applies nothing."""
    steps = [
        (phase, "Read changes" if phase == Run.Phase.READ and _reads_changes(run) else label)
        for phase, label in _STEPS
        if not (phase == Run.Phase.READ and run.source_id is None)
        if not (phase == Run.Phase.APPLY and run.dry)
    ]
    phases = [phase for phase, _ in steps]
    ended = run.state in (Run.State.DONE, Run.State.PREVIEW)
    if ended or run.phase == Run.Phase.FINISHED:
        at = len(steps)
    else:
        at = phases.index(Run.Phase(run.phase)) if run.phase in phases else 0
    now = "failed" if run.state in (Run.State.FAILED, Run.State.STOPPED) else "now"
    found = []
    for place, (_, label) in enumerate(steps):
        state = "done" if place < at else now if place == at else "todo"
        found.append(Step(label, state))
    if run.state == Run.State.WAITING:
        found[-1] = Step("Apply what waits", "now")
    return found


def standing_of(run: Run, held: int, people: int) -> Standing:
    """Where `run` stands; `held` of its changes, of so many people or groups, wait."""
    if run.state == Run.State.WAITING:
        return _waiting(held, people)
    return _WORDS[Run.State(run.state)](run)


def _writes(run: Run) -> bool:
    """Whether the run writes to a directory."""
    return run.kind == Run.Kind.WRITE_BACK


def _queued(run: Run) -> Standing:
    if timezone.now() - run.created_at > _NO_WORKER:
        return Standing(
            "Waiting for a worker",
            "No worker has taken it yet: all are busy, or none is running. Nothing is lost; it "
            "begins as soon as one is free.",
        )
    return Standing("Queued", "A worker takes it in a moment.")


def _running(run: Run) -> Standing:
    title = {
        Run.Phase.READ: "Reading the directory",
        Run.Phase.PLAN: "Planning accounts",
        Run.Phase.CHECK: "Checking the limits",
        Run.Phase.APPLY: "Writing values" if _writes(run) else "Applying",
    }.get(Run.Phase(run.phase), "Running")
    if run.stop_requested and (_writes(run) or run.phase != Run.Phase.APPLY):
        return Standing("Stopping", "It ends within a few seconds.", run.done, run.total)
    text = "Nothing has been changed yet." if run.phase != Run.Phase.APPLY else ""
    if run.total:
        noun = "people" if run.phase == Run.Phase.READ else "steps"
        text = f"{min(run.done, run.total):,} of about {run.total:,} {noun}. {text}"
    elif run.done:
        text = f"{run.done:,} so far. {text}"
    return Standing(title, text.strip(), min(run.done, run.total), run.total)


def _waiting(held: int, people: int) -> Standing:
    return Standing(
        f"{held:,} change{'' if held == 1 else 's'} of {people:,} "
        f"{'person or group' if people == 1 else 'people or groups'} "
        f"wait{'s' if held == 1 else ''} for approval.",
        "They pass a limit, so nothing of them was applied. Everything else was.",
    )


def _preview(run: Run) -> Standing:
    count = count_changes(run)
    if not count:
        return Standing("Nothing would change.", _nothing(run))
    limits = " Some of it would wait for approval." if run.breaches else ""
    return Standing(
        f"A preview: {count:,} change{'' if count == 1 else 's'}, nothing was applied.",
        f"This is what the run found; the real one plans anew.{limits}",
    )


def _failed(run: Run) -> Standing:
    if run.phase == Run.Phase.APPLY:
        return Standing("It failed while applying. What was applied before stays.", run.problem)
    return Standing("It failed before anything was changed.", run.problem)


def _done(run: Run) -> Standing:
    count = count_changes(run)
    if not count:
        return Standing("Nothing to change.", _nothing(run))
    if not run.changes.filter(APPLIED).exists():
        return Standing("Over. Nothing was applied.", "What waited for approval was discarded.")
    return Standing("Done.", f"{_READ_BACK if _writes(run) else _what_follows()}{_took(run)}")


def _took(run: Run) -> str:
    """How long it worked: while it waited for an approval it did not."""
    began = run.approved_at or run.started_at
    if began is None or run.finished_at is None:
        return ""
    seconds = (run.finished_at - began).total_seconds()
    after = " after the approval" if run.approved_at else ""
    return f" It took {f'{seconds:,.0f} s' if seconds >= 1 else 'less than a second'}{after}."


def _nothing(run: Run) -> str:
    conflicts = run.changes.filter(status=PlannedChange.Status.PROBLEM).count()
    if conflicts and run.kind == Run.Kind.REKEY:
        return f"{conflicts:,} people or groups have no such key of their own."
    if conflicts == 1:
        return "One person has a conflict, and keeps what was there before."
    if conflicts:
        return f"{conflicts:,} people have conflicts, and keep what was there before."
    if run.kind == Run.Kind.UNDO:
        return "Whatever that run changed is as it was, or was changed since."
    if _writes(run):
        return "The directory has every value already."
    return "Everything is as the directory and the rules say."


def _what_follows() -> str:
    if not manageable_stores():
        return "No store is managed yet, so nothing of it is written to a SIP server."
    if is_paused():
        return "Pushes are paused: accounts that changed wait until the pause ends."
    if PendingChange.objects.filter(dead=False).exists():
        return "Accounts that changed are on their way to the SIP servers."
    return "The SIP servers were told which accounts changed."


def _stopped(run: Run) -> Standing:
    if _writes(run) and run.applied_to:
        return Standing("Stopped. What was written before stays.", run.problem)
    return Standing("Stopped. Nothing was changed.", run.problem if _writes(run) else "")


def _superseded(run: Run) -> Standing:
    return Standing("A newer run took its place.", run.remark)


_WORDS: dict[Run.State, Callable[[Run], Standing]] = {
    Run.State.QUEUED: _queued,
    Run.State.RUNNING: _running,
    Run.State.PREVIEW: _preview,
    Run.State.DONE: _done,
    Run.State.FAILED: _failed,
    Run.State.STOPPED: _stopped,
    Run.State.SUPERSEDED: _superseded,
}
