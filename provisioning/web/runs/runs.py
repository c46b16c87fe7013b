"""Runs: the list of them, the page of one with its planned changes, and its progress."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from provisioning.core.roles import Capability
from provisioning.models import DirectorySource, Person, PlannedChange, Proposal, Run
from provisioning.services.accounts.rehires import open_rehires
from provisioning.services.rollouts.standing import undecided
from provisioning.services.runs.run_effects import effects_of
from provisioning.services.runs.run_report import KINDS, figures_of, summary_of, words_of
from provisioning.services.runs.undo import can_undo
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.keyset import KeysetPage, Order, paginate
from provisioning.web.list_page import ListFilter
from provisioning.web.runs.plan_rows import show_changes
from provisioning.web.runs.run_words import OPEN, standing_of, steps_of
from provisioning.web.shell import href_of

_NEWEST_FIRST = Order("id", descending=True)
_IN_ORDER = Order("ordinal")
_RELEASE = [
    {
        "value": "release",
        "label": "Release chosen",
        "icon": "checks",
        "confirm": "Apply what waits for the chosen people?",
        "confirm_text": "Their changes are applied at once; everybody else goes on waiting.",
        "confirm_button": "Release",
    }
]
_STATUSES = PlannedChange.Status
_END_OF_POLLING = 286
SHOWN = (
    ("held", "Waiting for approval"),
    ("create", "New"),
    ("update", "Changed"),
    ("leave", "Leaving"),
    ("join", "One person"),
    ("separate", "Two people"),
    ("rekey", "Another key"),
    ("problem", "Conflicts"),
    ("resolve", "Conflicts gone"),
    ("empty", "Emptied"),
    ("proposed", "Proposals"),
    ("stale", "Out of date"),
)
_CUT_SHORT = (Run.State.FAILED, Run.State.STOPPED)


class RunFilter(ListFilter):
    """Runs of a kind, state or source; those of a schedule mostly find nothing."""

    found = django_filters.ChoiceFilter(
        choices=(("something", "Something"), ("nothing", "Nothing to change")),
        label="Found",
        method="by_finding",
    )

    state = django_filters.ChoiceFilter(choices=Run.State.choices, label="State")
    kind = django_filters.ChoiceFilter(choices=Run.Kind.choices, label="Kind")
    source = django_filters.ModelChoiceFilter(
        queryset=DirectorySource.objects.order_by("name"), label="Source"
    )

    class Meta:
        model = Run
        fields = ()

    def by_finding(self, runs: QuerySet[Run], name: str, value: str) -> QuerySet[Run]:
        """Something is a planned change, a conflict, or what somebody should know."""
        planned = Exists(PlannedChange.objects.filter(run=OuterRef("pk")))
        something = Q(planned) | ~Q(problem="") | ~Q(remark="")
        return runs.filter(something if value == "something" else ~something)


class ChangeFilter(ListFilter):
    """Changes of a run: by what they do, to what, to whom."""

    q = django_filters.CharFilter(field_name="name", lookup_expr="icontains", label="Name")
    show = django_filters.ChoiceFilter(choices=SHOWN, label="Change", method="by_outcome")
    kind = django_filters.ChoiceFilter(choices=tuple(KINDS.items()), label="About")

    class Meta:
        model = PlannedChange
        fields = ()

    def by_outcome(
        self, changes: QuerySet[PlannedChange], name: str, value: str
    ) -> QuerySet[PlannedChange]:
        """By action for what was planned, by status for what needs somebody."""
        if value in ("held", "problem", "proposed", "stale"):
            return changes.filter(status=value)
        actions = ("create", "return") if value == "create" else (value,)
        return changes.filter(action__in=actions).exclude(status__in=["problem", "proposed"])


@needs(Capability.VIEW)
@require_safe
def changes(request: ConsoleRequest) -> HttpResponse:
    """Every run, newest first; what waits for approval stands above."""
    runs = Run.objects.select_related("source", "requested_by")
    chosen = RunFilter(request.GET, runs)
    page = paginate(chosen.rows, cursor=request.GET.get("cursor", ""), order=_NEWEST_FIRST)
    context = {
        "filter": chosen,
        "page": page,
        "rows": [(run, summary_of(run)) for run in page.rows],
    }
    if request.htmx and not request.htmx.boosted:
        return render(request, "changes/_runs.html", context)
    waiting = Run.objects.filter(state=Run.State.WAITING).select_related("source")
    context |= {
        "title": "Changes",
        "lead": "Every run of a directory sync or of the account rules: its plan and what became "
        "of it.",
        "tabs": tabs("changes"),
        "waiting": [(run, _held_in(run)) for run in waiting.order_by("-id")[:10]],
    }
    return render(request, "changes/changes.html", context)


def tabs(active: str) -> list[dict[str, Any]]:
    """The tabs of the changes: runs, rollouts, conflicts, and what somebody may decide."""
    conflicts = Person.objects.exclude(problem="").count()
    proposals = Proposal.objects.filter(state=Proposal.State.OPEN).count()
    return [
        {"label": "Runs", "href": href_of("changes"), "active": active == "changes",
         "icon": "git-compare"},
        {"label": "Rollouts", "href": href_of("rollouts"), "active": active == "rollouts",
         "icon": "list-check", "count": undecided().count()},
        {"label": "Conflicts", "href": href_of("changes-conflicts"), "icon": "user-question",
         "active": active == "conflicts", "count": conflicts},
        {"label": "Proposals", "href": href_of("changes-proposals"), "icon": "wand",
         "active": active == "proposals", "count": proposals},
        {"label": "Returned?", "href": href_of("changes-rehires"), "icon": "user-check",
         "active": active == "rehires", "count": open_rehires().count()},
    ]  # fmt: skip


@needs(Capability.VIEW)
@require_safe
def run(request: ConsoleRequest, pk: int) -> HttpResponse:
    """One run: where it stands, what passes a limit, every planned change."""
    found = get_object_or_404(_runs(), pk=pk)
    read = {
        what: found.counts.get(f"read.{what}", 0) for what in ("people", "groups", "unreadable")
    }
    visible = found.changes.exclude(action="refresh")
    query = request.GET.copy()
    if "show" not in query and found.state == Run.State.WAITING and not request.htmx:
        query["show"] = "held"
    chosen = ChangeFilter(query, visible)
    context = {
        "run": found,
        "filter": chosen,
        "show": query.get("show", ""),
        "release_actions": _RELEASE,
        **_changes_of(found, chosen, query.get("show", ""), request.GET.get("cursor", "")),
    }
    if request.htmx and not request.htmx.boosted:
        return render(request, "changes/_changes.html", context)
    held = _held_in(found)
    segments = _segments(found, held["people"])
    context |= {
        **standing_context(found, held),
        "title": str(found),
        "crumbs": [("Changes", href_of("changes"))],
        "read": read,
        "figures": [
            (KINDS[kind], words_of(actions), kind) for kind, actions in figures_of(found).items()
        ],
        "segments": segments,
        # What ended before its plan was made has neither figures nor limits to show.
        "has_plan": bool(segments) or found.state not in _CUT_SHORT,
        "latest": _newer_than(found),
        "effects": effects_of(run=found),
        "undoable": request.user.may(Capability.APPROVE) and can_undo(found),
        "undone_by": _undone_by(found),
        "pins": found.pins.count() if found.kind == Run.Kind.UNDO else 0,
    }
    return render(request, "changes/run.html", context)


@needs(Capability.VIEW)
@require_safe
def run_progress(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Where the run stands; when it is over, polling ends and the page loads anew."""
    found = get_object_or_404(_runs(), pk=pk)
    context = {"run": found, **standing_context(found, _held_in(found))}
    response = render(request, "changes/_standing.html", context)
    if found.state not in OPEN:
        response.status_code = _END_OF_POLLING
        response["HX-Refresh"] = "true"
    return response


def standing_context(run: Run, held: dict[str, int]) -> dict[str, Any]:
    """What the part that is polled needs."""
    return {
        "steps": steps_of(run),
        "standing": standing_of(run, held["changes"], held["people"]),
        "is_open": run.state in OPEN,
        "can_stop": run.state in OPEN
        and not run.stop_requested
        and (run.phase != Run.Phase.APPLY or run.kind == Run.Kind.WRITE_BACK),
        "held": held,
    }


def _runs() -> QuerySet[Run]:
    return Run.objects.select_related("source", "undoes", "requested_by", "approved_by")


def _held_in(run: Run) -> dict[str, int]:
    """How many changes of how many people or groups wait."""
    if run.state not in (Run.State.WAITING, Run.State.PREVIEW):
        return {"changes": 0, "people": 0}
    held = run.changes.filter(status=_STATUSES.HELD)
    return held.aggregate(changes=Count("pk"), people=Count("subject", distinct=True))


def _changes_of(run: Run, chosen: ChangeFilter, show: str, cursor: str) -> dict[str, Any]:
    """A page of changes; those that wait come person by person, so that people can be released."""
    rows: QuerySet[PlannedChange] = chosen.rows
    by_person = show == "held" and run.state == Run.State.WAITING
    if by_person:
        rows = first_of_each(rows)
    page: KeysetPage[PlannedChange] = paginate(rows, cursor=cursor, order=_IN_ORDER)
    shown = show_changes(page.rows)
    if not by_person:
        return {"page": page, "changes": shown, "by_person": False}
    held = run.changes.filter(status=_STATUSES.HELD, subject__in=[row.subject for row in page.rows])
    following: dict[str, list[Any]] = {}
    for each in show_changes(list(held.order_by("ordinal"))):
        following.setdefault(each.change.subject, []).append(each)
    people = []
    for one in shown:
        every = following.get(one.change.subject, [one])
        # What becomes of the account says more than what the directory said.
        account = next((each for each in every if each.change.kind == "account"), one)
        people.append((one, every, account))
    return {"page": page, "people": people, "by_person": True, "changes": shown}


def first_of_each(held: QuerySet[PlannedChange]) -> QuerySet[PlannedChange]:
    """Of several changes of one person only the first."""
    first = held.order_by().values("subject").annotate(first=Min("ordinal")).values("first")
    return held.filter(ordinal__in=first)


def _segments(run: Run, held: int) -> list[tuple[str, str, str, int]]:
    """The quick filters: (value, label, icon, count); only what is there.

    What was planned is known from the run's counts; only the few that need somebody are counted.
    """
    planned: dict[str, int] = {}
    for actions in figures_of(run).values():
        for action, count in actions.items():
            planned[action] = planned.get(action, 0) + count
    open_ones = run.changes.filter(status__in=["problem", "proposed", "stale"]).aggregate(
        problem=Count("pk", filter=Q(status="problem")),
        proposed=Count("pk", filter=Q(status="proposed")),
        stale=Count("pk", filter=Q(status="stale")),
    )
    found = [
        ("held", "Waiting", "hourglass", held),
        ("create", "New", "plus", planned.get("create", 0) + planned.get("return", 0)),
        ("update", "Changed", "edit", planned.get("update", 0)),
        ("leave", "Leaving", "user-minus", planned.get("leave", 0)),
        ("join", "One person", "users-group", planned.get("join", 0)),
        ("separate", "Two people", "users", planned.get("separate", 0)),
        ("rekey", "Another key", "key", planned.get("rekey", 0)),
        ("problem", "Conflicts", "alert-triangle", open_ones["problem"]),
        ("resolve", "Conflicts gone", "circle-check", planned.get("resolve", 0)),
        ("empty", "Emptied", "circle-minus", planned.get("empty", 0)),
        ("proposed", "Proposals", "wand", open_ones["proposed"]),
        ("stale", "Out of date", "clock", open_ones["stale"]),
    ]  # fmt: skip
    return [each for each in found if each[3]]


def _undone_by(run: Run) -> Run | None:
    """The newest undo of the run that came to something."""
    states = (Run.State.DONE, Run.State.WAITING)
    return run.undone_by.filter(dry=False, state__in=states).order_by("-id").first()


def _newer_than(run: Run) -> Run | None:
    """The run that took the place of a superseded one."""
    if run.state != Run.State.SUPERSEDED:
        return None
    same = Run.objects.filter(
        kind=run.kind, source=run.source, undoes=run.undoes, dry=False, pk__gt=run.pk
    )
    return same.order_by("-id").first()
