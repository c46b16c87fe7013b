"""What is done with runs: asked for, stopped, approved, released, discarded; proposals decided."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from provisioning.core.errors import ProvisioningError, StalePlan
from provisioning.core.roles import Capability
from provisioning.models import DirectorySource, PlannedChange, Run
from provisioning.services.accounts import proposals
from provisioning.services.runs import review, runs, undo, undo_pins
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.ids import row_id
from provisioning.web.runs.runs import ChangeFilter, first_of_each


@needs(Capability.OPERATE)
@require_POST
def source_sync(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Sync a source now, or see what a sync would change."""
    source = get_object_or_404(DirectorySource, pk=pk)
    dry = request.POST.get("dry") == "1"
    run = runs.request_sync(source=source, actor=actor_of(request), dry=dry)
    return redirect("run", run.pk)


@needs(Capability.OPERATE)
@require_POST
def rules_run(request: ConsoleRequest) -> HttpResponse:
    """Decide every account by the rules, or see what that would change."""
    dry = request.POST.get("dry") == "1"
    return redirect("run", runs.request_rules_run(actor=actor_of(request), dry=dry).pk)


@needs(Capability.OPERATE)
@require_POST
def run_stop(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Stop a run that has not begun to apply."""
    run = get_object_or_404(Run, pk=pk)
    try:
        runs.stop_run(run=run, actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, f"It was not stopped.\n{error.message}")
    else:
        messages.success(request, "The run stops.\nNothing of it is applied.")
    return redirect("run", pk)


@needs(Capability.APPROVE)
@require_POST
def run_approve(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Apply everything that waits."""
    run = get_object_or_404(Run, pk=pk)
    try:
        review.approve_run(run=run, digest=request.POST.get("digest", ""), actor=actor_of(request))
    except ProvisioningError as error:
        _refused(request, error)
    else:
        messages.success(request, "Approved.\nThe changes are being applied.")
    return redirect("run", pk)


@needs(Capability.APPROVE)
@require_POST
def run_release(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Apply what waits for the chosen people; the rest goes on waiting."""
    run = get_object_or_404(Run, pk=pk)
    held = run.changes.filter(status=PlannedChange.Status.HELD)
    if request.POST.get("all") == "1":
        chosen = first_of_each(ChangeFilter(request.GET, held).rows)
    else:
        ids = [row_id(each) for each in request.POST.getlist("pk")]
        chosen = held.filter(pk__in=[pk for pk in ids if pk is not None])
    subjects = list(chosen.values_list("subject", flat=True))
    try:
        review.release_people(
            run=run,
            digest=request.POST.get("digest", ""),
            subjects=subjects,
            actor=actor_of(request),
        )
    except ProvisioningError as error:
        _refused(request, error)
    else:
        count = len(set(subjects))
        messages.success(
            request,
            f"Released {count:,} {'person or group' if count == 1 else 'people or groups'}.\n"
            "Their changes are being applied; the rest goes on waiting.",
        )
    return redirect("run", pk)


@needs(Capability.APPROVE)
@require_POST
def run_discard(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Do not apply what waits."""
    run = get_object_or_404(Run, pk=pk)
    try:
        review.discard_run(run=run, actor=actor_of(request))
    except ProvisioningError as error:
        _refused(request, error)
    else:
        messages.success(
            request,
            "Discarded; nothing of it was applied.\nThe next run plans it again as long as the "
            "directory says so.",
        )
    return redirect("run", pk)


@needs(Capability.APPROVE)
@require_POST
def run_undo(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Undo what a run did to accounts, or see what that would change."""
    run = get_object_or_404(Run, pk=pk)
    dry = request.POST.get("dry") == "1"
    try:
        found = undo.request_undo(run=run, actor=actor_of(request), dry=dry)
    except ProvisioningError as error:
        messages.error(request, f"Nothing was undone.\n{error.message}")
        return redirect("run", pk)
    return redirect("run", found.pk)


@needs(Capability.APPROVE)
@require_POST
def run_pins_end(request: ConsoleRequest, pk: int) -> HttpResponse:
    """End every pin of an undo."""
    run = get_object_or_404(Run, pk=pk)
    try:
        count = undo_pins.end_pins_of(run=run, actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, f"No pin was ended.\n{error.message}")
    else:
        messages.success(
            request,
            f"Ended {count:,} pin{'' if count == 1 else 's'}.\nThe next sync decides those "
            "accounts again, within the limits.",
        )
    return redirect("run", pk)


@needs(Capability.APPROVE)
@require_POST
def run_proposal(request: ConsoleRequest, pk: int, change: int) -> HttpResponse:
    """Take the SIP URI that a run proposed, or keep the present one."""
    run = get_object_or_404(Run, pk=pk)
    row = get_object_or_404(run.changes.select_related("run"), pk=change)
    take = request.POST.get("take") == "1"
    try:
        proposal = proposals.find_proposal(change=row)
        if take:
            account = proposals.accept_proposal(proposal=proposal, actor=actor_of(request))
        else:
            proposals.decline_proposal(proposal=proposal, actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, f"Nothing was changed.\n{error.message}")
    else:
        if take:
            messages.success(
                request,
                f"{row.name} is sip:{account.aor} now.\nIts clients must fetch their profile "
                "again; old links are revoked.",
            )
        else:
            messages.success(request, f"{row.name} keeps the SIP URI.")
    return redirect(f"{request.path.rpartition('/proposals/')[0]}/?show=proposed")


def _refused(request: ConsoleRequest, error: ProvisioningError) -> None:
    if isinstance(error, StalePlan):
        messages.warning(request, f"Nothing was approved: the plan changed.\n{error.message}")
    else:
        messages.error(request, f"That did not work. Nothing was changed.\n{error.message}")
