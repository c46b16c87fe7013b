"""Account rules: the ordered list, the form with its preview, and what follows from a change."""

from __future__ import annotations

from typing import Any, Literal

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import AccountRule, Run
from provisioning.services.accounts.counts import with_account_counts
from provisioning.services.rules.rule_preview import preview_rule
from provisioning.services.rules.rules import delete_rule, move_rule, save_rule, switch_rule
from provisioning.web import as_opened
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.forms.errors import add_errors
from provisioning.web.forms.rules import RuleForm
from provisioning.web.runs.run_words import OPEN
from provisioning.web.shell import href_of

_PLANNED = "Its run plans what follows; what passes a limit waits for approval."


@needs(Capability.VIEW)
@require_safe
def rules(request: ConsoleRequest) -> HttpResponse:
    """Every rule in the order in which they are asked."""
    found = AccountRule.objects.select_related(
        "source", "group__source", "domain", "pool", "number_range", "profile"
    )
    runs = Run.objects.filter(kind=Run.Kind.RULES, dry=False).order_by("-id")
    context = {
        "title": "Account rules",
        "lead": "Who gets which SIP URI, number and home pool. The first rule that matches a "
        "person decides.",
        "rules": with_account_counts(found, by="rule"),
        "last_run": runs.first(),
        "waiting": runs.filter(state=Run.State.WAITING).first(),
        "open_states": OPEN,
    }
    return render(request, "rules/rules.html", context)


@needs(Capability.CONFIGURE)
@require_http_methods(["GET", "POST"])
def rule_new(request: ConsoleRequest) -> HttpResponse:
    """Write a rule."""
    return _edit(request, AccountRule())


@needs(Capability.CONFIGURE)
@require_http_methods(["GET", "POST"])
def rule_edit(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Change a rule."""
    return _edit(request, get_object_or_404(AccountRule, pk=pk))


def _edit(request: ConsoleRequest, rule: AccountRule) -> HttpResponse:
    is_new, title = rule.pk is None, rule.name
    seal = "" if is_new else as_opened.seal(rule, RuleForm.base_fields)
    crossing = "" if is_new else as_opened.begin(request, rule, RuleForm.base_fields)
    form = RuleForm(request.POST or None, instance=rule)
    if crossing:
        form.add_error(None, crossing)
    if request.method == "POST" and form.is_valid():
        try:
            run = save_rule(rule=rule, actor=actor_of(request))
        except ProvisioningError as error:
            add_errors(form, error)
        else:
            messages.success(request, f"{rule} is saved.\n{_PLANNED}")
            return redirect("run", run.pk)
    context = {
        "title": "New account rule" if is_new else f"Change {title}",
        "lead": "Nothing changes before you save; then a run plans what follows, within limits.",
        "crumbs": [("Account rules", href_of("rules"))],
        "form": form,
        "as_opened": seal,
        "rule": None if is_new else rule,
        "preview_href": href_of("rule-preview")
        if is_new
        else href_of("rule-edit-preview", rule.pk),
    }
    return render(request, "rules/edit.html", context, status=422 if form.errors else 200)


@needs(Capability.CONFIGURE)
@require_POST
def rule_preview(request: ConsoleRequest, pk: int | None = None) -> HttpResponse:
    """What the rule in the form would give a few people; nothing is kept."""
    rule = AccountRule() if pk is None else get_object_or_404(AccountRule, pk=pk)
    form = RuleForm(request.POST, instance=rule)
    form.is_valid()
    context: dict[str, Any] = {}
    missing = [name for name in ("domain", "pool") if getattr(rule, f"{name}_id") is None]
    if missing:
        context["problem"] = "Choose a SIP domain and a home pool, and people appear here."
    else:
        rule.name = rule.name or "This rule"
        try:
            context["preview"] = preview_rule(rule=rule)
        except ProvisioningError as error:
            context["problem"] = error.message
    return render(request, "rules/_preview.html", context)


@needs(Capability.CONFIGURE)
@require_POST
def rule_move(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Ask a rule earlier or later."""
    rule = get_object_or_404(AccountRule, pk=pk)
    direction: Literal["up", "down"] = "up" if request.POST.get("direction") == "up" else "down"
    if move_rule(rule=rule, direction=direction, actor=actor_of(request)) is None:
        messages.info(request, f"{rule} stands at that end already.")
    else:
        messages.success(request, f"{rule} is asked {'earlier' if direction == 'up' else 'later'}.")
    return redirect("rules")


@needs(Capability.CONFIGURE)
@require_POST
def rule_switch(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Let a rule decide, or rest."""
    rule = get_object_or_404(AccountRule, pk=pk)
    enabled = request.POST.get("enabled") == "1"
    try:
        run = switch_rule(rule=rule, enabled=enabled, actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, f"Nothing was changed.\n{error.message}")
        return redirect("rules")
    messages.success(request, f"{rule} {'decides again' if enabled else 'rests'}.\n{_PLANNED}")
    return redirect("run", run.pk)


@needs(Capability.CONFIGURE)
@require_POST
def rule_delete(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Delete a rule."""
    rule = get_object_or_404(AccountRule, pk=pk)
    try:
        run = delete_rule(rule=rule, actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, f"{rule} was not deleted.\n{error.message}")
        return redirect("rules")
    messages.success(request, f"{rule} is deleted.\n{_PLANNED}")
    return redirect("run", run.pk)
