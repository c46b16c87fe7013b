"""Probe accounts: some for each pool and SIP domain, made and taken away as somebody wishes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.core.settings.setting import SettingScope
from provisioning.core.states import State
from provisioning.models import (
    Account,
    Alias,
    ProbeAccount,
    ServerPool,
    SettingValue,
    SipDomain,
)
from provisioning.services.accounts.accounts import NewAccount, create_account, remove_account
from provisioning.services.accounts.blocks import block_account
from provisioning.services.accounts.standing import mark
from provisioning.services.actor import Actor
from provisioning.services.probes.forgetting import forget_probes
from provisioning.services.push import outbox
from provisioning.services.rollouts.staging import mark_configuration
from provisioning.services.routing.marking import marking_routing
from provisioning.services.routing.probe_routes import (
    ALLOWED,
    ASSERTED,
    at_console,
    keys_at_console,
    number_of_probe,
)

_Role = ProbeAccount.Role
# Whatever everybody has: calls to a probe account go nowhere else.
_TAKEN: Mapping[str, object] = {
    "forward_always": "", "forward_busy": "", "forward_no_answer": "", "forward_unreachable": "",
    "voicemail": False,
}  # fmt: skip
# What shows that settings of single accounts are gone by.
_OPEN: Mapping[str, object] = {
    "call_classes": [each.value for each in ALLOWED], "max_devices": 1, "presented_number": "own",
    "asserted_numbers": [ASSERTED],
}  # fmt: skip
# As short as the catalogue allows: for so long a probe waits that a telephone rings.
RINGS_FOR = 2
_NAMES = {
    _Role.OPEN: "Probe", _Role.BLOCKED: "Blocked probe", _Role.AWAY: "Forwarding probe",
    _Role.MAILBOX: "Voicemail probe",
}  # fmt: skip
_USERS = {
    _Role.OPEN: "rtcadmin-probe", _Role.BLOCKED: "rtcadmin-probe-blocked",
    _Role.AWAY: "rtcadmin-probe-away", _Role.MAILBOX: "rtcadmin-probe-mailbox",
}  # fmt: skip
# Longer than any alias may last that somebody makes.
_NUMBER_LASTS = timedelta(days=36_500)


def missing_domains(pool: ServerPool) -> list[SipDomain]:
    """The SIP domains for which the pool lacks a probe account, or one that can register."""
    accounts = Account.objects.filter(pool=pool, probe__isnull=False).exclude(state=State.REMOVED)
    there = {
        (domain, role)
        for domain, role, state in accounts.values_list("domain_id", "probe__role", "state")
        if role == _Role.BLOCKED or state == State.ACTIVE
    }
    domains = SipDomain.objects.order_by("domain")
    return [each for each in domains if not all((each.pk, role) in there for role in _roles())]


def set_up_probes(*, pool: ServerPool, actor: Actor) -> int:
    """Make the probe accounts that the pool lacks, and mark them for the push; how many.

    A second time it makes only what is missing, such as those of a new SIP domain, gives the others
    the settings that they lack, and asks for what leads to the console's own gateway, which may be
    another one than before. Raises InvalidInput where a SIP URI is taken by somebody else.
    """
    made = 0
    for domain in SipDomain.objects.order_by("domain"):
        for role in _roles():
            with marking_routing(actor=actor, about=f"probes of {pool}"):
                made += _make(pool, domain, role, actor)
    with transaction.atomic():
        for kind, keys in keys_at_console().items():
            mark_configuration(
                store_ids=outbox.manageable_stores(), kind=kind, keys=keys, actor=actor,
                about=f"probes of {pool}",
            )  # fmt: skip
    return made


def take_probes_away(*, pool: ServerPool, actor: Actor) -> int:
    """Remove the probe accounts of a pool and what was found with them; how many accounts."""
    with marking_routing(actor=actor, about=f"probes of {pool} ended"):
        accounts = list(Account.objects.filter(pool=pool, probe__isnull=False).order_by("pk"))
        for account in accounts:
            if account.state != State.REMOVED:
                remove_account(account=account, reason="Probes were ended", actor=actor)
        ProbeAccount.objects.filter(account__in=accounts).delete()
        forget_probes(pool.servers.all())
    return len(accounts)


def _make(pool: ServerPool, domain: SipDomain, role: ProbeAccount.Role, actor: Actor) -> int:
    """One account, unless there is one; in the caller's transaction. How many were made."""
    living = Account.objects.filter(pool=pool, domain=domain, probe__role=role)
    there = living.exclude(state=State.REMOVED).first()
    if there is not None:
        if _give(there, role, actor):
            mark([there])
        return 0
    account = create_account(
        new=NewAccount(
            kind=Account.Kind.SERVICE,
            name=f"{_NAMES[role]} of {pool}",
            user_part=_user_part(pool, role),
            domain=domain,
            pool=pool,
            responsible="The console itself: it tries with it what servers do",
        ),
        actor=actor,
    )
    ProbeAccount.objects.create(account=account, role=role)
    _give(account, role, actor)
    if role is _Role.BLOCKED:
        block_account(account=account, reason="A probe: it must be refused", actor=actor)
        return 1
    if role is _Role.OPEN:
        number, now = number_of_probe(account.pk), timezone.now()
        Alias.objects.create(
            account=account, domain=domain, user_part=number, aor=f"{number}@{domain}",
            ends_at=now + _NUMBER_LASTS, created_at=now,
        )  # fmt: skip
    mark([account])
    return 1


def _give(account: Account, role: ProbeAccount.Role, actor: Actor) -> bool:
    """See to the settings of a probe account; whether any was another one."""
    wanted = {**_TAKEN, **_own(role, account.pool, account.domain)}
    given = dict(SettingValue.objects.filter(account=account).values_list("key", "value"))
    changed = [key for key, value in wanted.items() if key not in given or given[key] != value]
    for key in changed:
        SettingValue.objects.update_or_create(
            key=key, scope=SettingScope.ACCOUNT, account=account,
            defaults={"value": wanted[key], "by": actor.user, "at": timezone.now()},
        )  # fmt: skip
    return bool(changed)


def _roles() -> list[ProbeAccount.Role]:
    """Whom a SIP domain needs: for a mailbox there has to be somewhere to take its calls."""
    return [role for role in _Role if role is not _Role.MAILBOX or at_console()]


def _user_part(pool: ServerPool, role: ProbeAccount.Role) -> str:
    return f"{_USERS[role]}-{pool.pk}"


def _own(role: ProbeAccount.Role, pool: ServerPool, domain: SipDomain) -> Mapping[str, object]:
    """What an account has that shows: calls that are forwarded go to the open one."""
    here = f"sip:{_user_part(pool, _Role.OPEN)}@{domain}"
    if role is _Role.BLOCKED:
        return {"messaging": False, "forward_always": here}
    if role is _Role.AWAY:
        return {
            "forward_busy": here, "forward_no_answer": here, "forward_unreachable": here,
            "forward_after": RINGS_FOR, "presented_number": "withheld",
        }  # fmt: skip
    if role is _Role.MAILBOX:
        return {"voicemail": True, "voicemail_server": at_console()}
    return _OPEN


def check_set_up(pool: ServerPool) -> None:
    """Raise InvalidInput where there is nobody to probe with."""
    if not Account.objects.filter(pool=pool, probe__role=_Role.OPEN, state=State.ACTIVE).exists():
        raise InvalidInput(
            f"“{pool}” has no probe account. Nothing was sent; set the probe accounts up first."
        )
