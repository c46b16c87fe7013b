"""Accounts made and changed in the console: rooms, common-area phones, contractors, services."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db import IntegrityError, transaction
from django.utils import timezone

from provisioning.core.errors import InvalidFields, InvalidInput, about
from provisioning.core.sip import check_user_part
from provisioning.core.states import State
from provisioning.core.text import require_line
from provisioning.models import (
    Account,
    ClientProfile,
    Credential,
    Number,
    Pin,
    Proposal,
    ServerPool,
    SipDomain,
    Site,
)
from provisioning.services.accounts.addresses import check_free, number_of, set_keys, taken
from provisioning.services.accounts.aliases import end_aliases
from provisioning.services.accounts.credentials import make_credential, replace_secret
from provisioning.services.accounts.pins import checked_reason, set_pin
from provisioning.services.accounts.standing import locked, mark, revoke_links, settle
from provisioning.services.actor import Actor
from provisioning.services.console import audit, crossing
from provisioning.services.numbers.numbers import assign_number, release_number
from provisioning.services.servers.homes import find_refused


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """What an account without a person is made from; `number` in any notation, empty for none."""

    kind: Account.Kind
    name: str
    user_part: str
    domain: SipDomain
    pool: ServerPool
    site: Site | None = None
    profile: ClientProfile | None = None
    number: str = ""
    responsible: str = ""
    ends_on: date | None = None


def create_account(*, new: NewAccount, actor: Actor) -> Account:
    """Make an account with its credential and number, and mark it for the push.

    Raises InvalidInput when a value cannot be used or the SIP URI or number is taken; nothing is
    kept then.
    """
    if new.kind == Account.Kind.PERSON:
        raise InvalidInput("Accounts of people come from the account rules.")
    if new.ends_on is not None and new.ends_on < timezone.localdate():
        raise InvalidFields({"ends_on": "The end date has passed. Nothing was created."})
    with about("user_part"):
        user_part = check_user_part(new.user_part)
    now = timezone.now()
    account = Account(
        kind=new.kind,
        name=_checked_name(new.name),
        domain=new.domain,
        user_part=user_part,
        aor=f"{user_part}@{new.domain.domain}",
        pool=new.pool,
        site=new.site,
        profile=new.profile,
        responsible=_line(new.responsible, "“Responsible”"),
        ends_on=new.ends_on,
        state=State.ACTIVE,
        state_since=now,
        created_at=now,
        changed_at=now,
    )
    set_keys(account, number="")
    with transaction.atomic():
        check_free(account)
        try:
            with transaction.atomic():
                account.save()
        except IntegrityError as error:
            raise taken(account.aor) from error
        make_credential(account)
        audit.record(actor=actor, action="created", obj=account, detail=_facts(account))
        if new.number.strip():
            with about("number"):
                assign_number(account=account, e164=new.number, actor=actor)
        mark([account])
    return account


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChange:
    """What an account is to have; `reason` is needed where a value is pinned against the rules.

    Name, responsible and end date are those of an account without a person.
    """

    pool: ServerPool
    site: Site | None
    profile: ClientProfile | None
    name: str = ""
    responsible: str = ""
    ends_on: date | None = None
    reason: str = ""


def change_account(*, account: Account, change: AccountChange, actor: Actor) -> Account:
    """Give the account what `change` says; a person's home pool, site and profile become pins."""
    with transaction.atomic():
        crossing.require_unchanged(account)
        current = locked([account.pk])[0]
        if current.state == State.REMOVED:
            raise InvalidInput("The account was removed. Nothing was changed.")
        before = _facts(current)
        if current.pool_id != change.pool.pk:
            _check_home(current, change.pool)
        if current.person is None:
            _change_own(current, change)
        else:
            _pin_changes(current, change, actor)
        current.pool, current.site, current.profile = change.pool, change.site, change.profile
        set_keys(current, number=number_of(current))
        after = _facts(current)
        changed = {
            field: [before.get(field, ""), after.get(field, "")]
            for field in {**before, **after}
            if before.get(field, "") != after.get(field, "")
        }
        if not changed:
            return current
        current.save()
        settle([current])
        audit.record(actor=actor, action="changed", obj=current, detail=changed)
    return current


def remove_account(*, account: Account, reason: str, actor: Actor) -> None:
    """Take an account without a person away: off the servers, its number into quarantine."""
    reason = checked_reason(reason)
    with transaction.atomic():
        current = locked([account.pk])[0]
        if current.person is not None:
            raise InvalidInput(
                "The account of a person goes when the person leaves the directory or falls under "
                "no rule. Nothing was changed; block it to end its service now."
            )
        if current.state == State.REMOVED:
            raise InvalidInput("It was removed already.")
        retire(current, actor=actor)
        audit.record(actor=actor, action="removed", obj=current, detail={"reason": reason})


def retire(account: Account, *, actor: Actor) -> None:
    """Make `account` removed, in the caller's transaction: number, links, pins and secret go.

    A person may come back to the account, so it keeps a credential, with a secret that nobody has.
    """
    now = timezone.now()
    number = Number.objects.filter(account=account).first()
    if number is not None:
        release_number(number=number, actor=actor, pin=False)
    account.state, account.state_since, account.grace_until = State.REMOVED, now, None
    account.version += 1
    account.changed_at = now
    set_keys(account, number="")
    account.save()
    account.pins.all().delete()
    revoke_links([account], now=now)
    end_aliases(list(account.aliases.all()), actor=actor)
    Proposal.objects.filter(account=account).delete()
    mark([account])
    if account.person is None:
        Credential.objects.filter(account=account).delete()
    else:
        replace_secret(account)


def _check_home(account: Account, pool: ServerPool) -> None:
    """Raise InvalidFields where `pool` would not serve the account."""
    for reason in find_refused(pool=pool, account_ids=[account.pk]).values():
        raise InvalidFields({"pool": f"{reason} Nothing was changed."})


def _change_own(account: Account, change: AccountChange) -> None:
    account.name = _checked_name(change.name)
    account.responsible = _line(change.responsible, "“Responsible”")
    account.ends_on = change.ends_on


def _pin_changes(account: Account, change: AccountChange, actor: Actor) -> None:
    wanted = (
        (Pin.Field.POOL, account.pool, change.pool),
        (Pin.Field.SITE, account.site, change.site),
        (Pin.Field.PROFILE, account.profile, change.profile),
    )
    for field, before, after in wanted:
        if before != after:
            set_pin(
                account=account,
                field=field,
                value=str(after.pk) if after else "",
                reason=checked_reason(change.reason),
                actor=actor,
            )


def _checked_name(name: str) -> str:
    name = _line(name, "The name")
    if not name:
        raise InvalidInput("The account needs a name.")
    return name


def _line(value: str, what: str) -> str:
    value = require_line(value.strip(), what)
    if len(value) > 200:
        raise InvalidInput(f"{what} is longer than 200 characters.")
    return value


def _facts(account: Account) -> dict[str, str]:
    facts = {
        "kind": account.get_kind_display(),
        "name": account.name,
        "SIP URI": account.aor,
        "home pool": str(account.pool),
        "site": str(account.site or ""),
        "client profile": str(account.profile or ""),
        "responsible": account.responsible,
        "ends on": account.ends_on.isoformat() if account.ends_on else "",
    }
    return {field: value for field, value in facts.items() if value}
