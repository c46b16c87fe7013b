"""What `accounts` does: each act calls its service, and says which accounts it was about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.db.models import Model

from provisioning.core.errors import InvalidInput
from provisioning.models import Account, ClientProfile, Number, ServerPool, SipDomain, Site
from provisioning.services.accounts import accounts, addresses, blocks, credentials
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.numbers.numbers import assign_number, release_number

M = TypeVar("M", bound=Model)

# Acts on accounts (ids) as the options say; the ids of whom it was about.
Act = Callable[[Sequence[int], dict[str, Any]], Sequence[int]]


def block(ids: Sequence[int], options: dict[str, Any]) -> Sequence[int]:
    """Block them."""
    blocks.block_accounts(
        account_ids=ids, reason=options["reason"], actor=COMMAND_LINE, approved=options["approve"]
    )
    return ids


def unblock(ids: Sequence[int], options: dict[str, Any]) -> Sequence[int]:
    """End their block."""
    if not blocks.unblock_accounts(account_ids=ids, actor=COMMAND_LINE):
        raise InvalidInput("None of them is blocked. Nothing was changed.")
    return ids


def renew(ids: Sequence[int], options: dict[str, Any]) -> Sequence[int]:
    """Give them new credentials."""
    credentials.rotate_credentials(account_ids=ids, actor=COMMAND_LINE, approved=options["approve"])
    return ids


def restore(ids: Sequence[int], options: dict[str, Any]) -> Sequence[int]:
    """Make the account of somebody who left work again."""
    for account in Account.objects.filter(pk__in=ids):
        blocks.restore_leaver(
            account=account, reason=options["reason"], ends_on=options["until"],
            actor=COMMAND_LINE,
        )  # fmt: skip
    return ids


def number(ids: Sequence[int], options: dict[str, Any]) -> Sequence[int]:
    """Give one account a number, or take its number away."""
    account = Account.objects.get(pk=_one(ids))
    if (options["number"] is None) is not options["release"]:
        raise InvalidInput("Say either --number with a number, or --release. Nothing was changed.")
    if not options["release"]:
        assign_number(account=account, e164=options["number"], actor=COMMAND_LINE)
        return ids
    has = Number.objects.filter(account=account).first()
    if has is None:
        raise InvalidInput(f"{account} has no number. Nothing was changed.")
    release_number(number=has, free=options["free"], actor=COMMAND_LINE)
    return ids


def rename(ids: Sequence[int], options: dict[str, Any]) -> Sequence[int]:
    """Give one account another SIP URI."""
    account = Account.objects.get(pk=_one(ids))
    if not options["user_part"]:
        raise InvalidInput("Say --user-part: what stands before the @. Nothing was changed.")
    addresses.rename_account(
        account=account, user_part=options["user_part"], reason=options["reason"],
        alias_days=options["alias_days"], actor=COMMAND_LINE,
    )  # fmt: skip
    return ids


def unpin(ids: Sequence[int], options: dict[str, Any]) -> Sequence[int]:
    """Let rules and directory decide a value of one account again, or all that are pinned."""
    account = Account.objects.get(pk=_one(ids))
    pins = account.pins.order_by("field")
    if options["pin"]:
        pins = pins.filter(field=options["pin"])
    if not pins:
        there = ", ".join(account.pins.order_by("field").values_list("field", flat=True))
        raise InvalidInput(f"No such value is pinned; there are: {there or 'none'}.")
    for pin in pins:
        blocks.end_pin(pin=pin, actor=COMMAND_LINE)
    return ids


def remove(ids: Sequence[int], options: dict[str, Any]) -> Sequence[int]:
    """Remove an account without a person."""
    account = Account.objects.get(pk=_one(ids))
    accounts.remove_account(account=account, reason=options["reason"], actor=COMMAND_LINE)
    return ids


def create(ids: Sequence[int], options: dict[str, Any]) -> Sequence[int]:
    """Make an account without a person."""
    missing = [
        f"--{name.replace('_', '-')}"
        for name in ("kind", "name", "user_part", "domain", "pool")
        if not options[name]
    ]
    if missing:
        raise InvalidInput(f"Say {', '.join(missing)}. Nothing was created.")
    new = accounts.NewAccount(
        kind=Account.Kind(options["kind"]),
        name=options["name"],
        user_part=options["user_part"],
        domain=_named(SipDomain, options["domain"], "SIP domain", column="domain"),
        pool=_named(ServerPool, options["pool"], "pool"),
        site=_named(Site, options["site"], "site") if options["site"] else None,
        profile=(
            _named(ClientProfile, options["profile"], "client profile")
            if options["profile"]
            else None
        ),
        number=options["number"] or "",
        responsible=options["responsible"],
        ends_on=options["until"],
    )
    return [accounts.create_account(new=new, actor=COMMAND_LINE).pk]


def _one(ids: Sequence[int]) -> int:
    if len(ids) != 1:
        raise InvalidInput(f"{len(ids):,} accounts are named, not one. Nothing was changed.")
    return ids[0]


def _named(model: type[M], name: str, noun: str, *, column: str = "name") -> M:
    rows = model._default_manager.order_by(column)
    found = rows.filter(**{column: name}).first()
    if found is None:
        listed = ", ".join(rows.values_list(column, flat=True)[:20]) or "none"
        raise InvalidInput(f"There is no {noun} “{name[:80]}”. There are: {listed}.")
    return found
