"""Account rules: saved, deleted and ordered; every change is planned for everybody at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from django.db import transaction
from django.db.models import Max

from provisioning.core.errors import InvalidFields, InvalidInput
from provisioning.core.text import require_line
from provisioning.directory.syntax import check_dn
from provisioning.models import AccountRule, Run
from provisioning.services.accounts.aliases import check_alias_days
from provisioning.services.actor import Actor
from provisioning.services.console import audit, saving
from provisioning.services.rules.rule_book import compile_formula, compile_rule
from provisioning.services.runs.runs import request_rules_run

STEP = 10
_LONGEST_GRACE = 3650
_FORMULAS = {
    "condition": "condition",
    "user_formula": "SIP URI formula",
    "number_formula": "number",
}


def save_rule(*, rule: AccountRule, actor: Actor) -> Run:
    """Keep a new or changed rule and ask for the run that plans what follows; a new one comes last.

    Raises InvalidFields where values cannot be used, InvalidInput when somebody else changed the
    rule since `rule.version` was read. Nothing is kept then.
    """
    tidy(rule)
    check_rule(rule)
    with transaction.atomic():
        before = AccountRule.objects.select_for_update().filter(pk=rule.pk).first()
        if before is None:
            rule.position = _last_position() + STEP
        elif before.version != rule.version:
            raise InvalidInput(
                f"“{before}” was changed by somebody else meanwhile. Nothing was saved; open it "
                "again."
            )
        else:
            rule.position, rule.version = before.position, before.version + 1
        saving.check_fields(rule)
        saving.save(row=rule, before=before, actor=actor)
        return request_rules_run(actor=actor)


def delete_rule(*, rule: AccountRule, actor: Actor) -> Run:
    """Delete a rule; its people fall under a later rule, or their accounts come into grace."""
    with transaction.atomic():
        saving.delete(row=rule, actor=actor)
        return request_rules_run(actor=actor)


def switch_rule(*, rule: AccountRule, enabled: bool, actor: Actor) -> Run:
    """Let a rule decide, or let it rest."""
    rule.enabled = enabled
    return save_rule(rule=rule, actor=actor)


def move_rule(*, rule: AccountRule, direction: Literal["up", "down"], actor: Actor) -> Run | None:
    """Put a rule one place up or down; None when it stands at that end already."""
    with transaction.atomic():
        rules = list(AccountRule.objects.select_for_update().order_by("position", "id"))
        place = next((i for i, each in enumerate(rules) if each.pk == rule.pk), None)
        other = None if place is None else place + (1 if direction == "down" else -1)
        if place is None or other is None or not 0 <= other < len(rules):
            return None
        rules[place], rules[other] = rules[other], rules[place]
        for number, each in enumerate(rules, start=1):
            if each.position != number * STEP:
                each.position = number * STEP
                each.version += 1
                each.save(update_fields=["position", "version"])
        audit.record(
            actor=actor, action=f"moved {direction}", obj=rule,
            detail={"place": [place + 1, other + 1]},
        )  # fmt: skip
        return request_rules_run(actor=actor)


def tidy(rule: AccountRule) -> None:
    """Bring what was typed to its one form."""
    for field in ("name", "ou", *_FORMULAS):
        setattr(rule, field, getattr(rule, field).strip())
    if rule.number_source != AccountRule.NumberSource.RANGE:
        rule.number_range = None


def check_rule(rule: AccountRule) -> None:
    """Raise InvalidFields unless the rule can be evaluated."""
    faults: dict[str, str] = {}
    _note(faults, "name", require_line, rule.name, "The name")
    if rule.ou:
        _note(faults, "ou", check_dn, rule.ou)
    if not rule.user_formula:
        faults["user_formula"] = "Say what stands before the @, such as lower(login)."
    for field, what in _FORMULAS.items():
        _note(faults, field, compile_formula, getattr(rule, field), what)
    if rule.group is not None and rule.source_id not in (None, rule.group.source_id):
        faults["group"] = f"{rule.group} is a group of {rule.group.source}, not of {rule.source}."
    _note(faults, "alias_days", check_alias_days, rule.alias_days)
    if rule.grace_days is not None and rule.grace_days > _LONGEST_GRACE:
        faults["grace_days"] = f"Leavers are kept for {_LONGEST_GRACE:,} days at most."
    sources = AccountRule.NumberSource
    if rule.number_source == sources.RANGE and rule.number_range is None:
        faults["number_range"] = "Choose the range that the numbers come from."
    if rule.number_source == sources.DIRECTORY and not rule.number_formula:
        faults["number_formula"] = "Say which field holds the number, such as phone."
    if faults:
        raise InvalidFields(faults)
    compile_rule(rule)


def _last_position() -> int:
    return AccountRule.objects.aggregate(last=Max("position"))["last"] or 0


def _note(
    faults: dict[str, str], field: str, check: Callable[..., object], *values: object
) -> None:
    try:
        check(*values)
    except InvalidInput as error:
        faults.setdefault(field, error.message)
