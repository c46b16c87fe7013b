"""SIP URIs given by hand: free ones only, and the former one may lead on for a while."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from provisioning.core.account import account_name_key, account_search_key, new_secret
from provisioning.core.errors import InvalidFields, InvalidInput
from provisioning.core.sip import check_user_part
from provisioning.core.states import State
from provisioning.models import Account, Alias, GroupAddress, Number, Pin, Proposal, SipDomain
from provisioning.services.accounts.address_desk import describe_alias, describe_group
from provisioning.services.accounts.aliases import check_alias_days, keep_alias
from provisioning.services.accounts.pins import checked_reason, set_pin
from provisioning.services.accounts.standing import locked, revoke_links
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.push import outbox


def rename_account(
    *, account: Account, user_part: str, reason: str, actor: Actor, alias_days: int = 0
) -> Account:
    """Give the account another SIP URI; its authentication user name follows, links are revoked.

    The former one leads on for `alias_days`.
    """
    user_part = check_user_part(user_part)
    reason = checked_reason(reason)
    with transaction.atomic():
        current = locked([account.pk])[0]
        former = give_address(
            current, domain=current.domain, user_part=user_part, alias_days=alias_days
        )
        if current.person is not None:
            set_pin(account=current, field=Pin.Field.USER_PART, value=user_part, reason=reason,
                    actor=actor)  # fmt: skip
        audit.record(
            actor=actor,
            action="renamed",
            obj=current,
            detail={"SIP URI": [former, current.aor], "reason": reason},
        )
    return current


def give_address(
    account: Account, *, domain: SipDomain, user_part: str, alias_days: int = 0
) -> str:
    """Make the locked `account` have another SIP URI, in the caller's transaction.

    The authentication user name follows, so clients must fetch again: links are revoked. The old
    and the new SIP URI are marked for the push, and the old one leads on for `alias_days`. Returns
    the former one; raises InvalidInput when the new one is taken or no new one.
    """
    former, now = account.aor, timezone.now()
    if check_alias_days(alias_days) and f"{user_part}@{domain.domain}" != former:
        keep_alias(account, days=alias_days)
    account.domain, account.user_part = domain, user_part
    account.aor = f"{user_part}@{domain.domain}"
    if account.aor == former:
        raise InvalidInput(f"It already has the SIP URI {former}. Nothing was changed.")
    check_free(account)
    Alias.objects.filter(account=account, aor=account.aor).delete()
    Proposal.objects.filter(account=account).delete()
    number = number_of(account)
    set_keys(account, number=number)
    account.version += 1
    account.changed_at = now
    account.save()
    if hasattr(account, "credential"):
        credential = account.credential
        credential.auth_user = user_part
        if credential.sealed_import is not None:
            # What was taken over verifies nobody under another user name.
            credential.set_secret(new_secret())
            credential.rotated_at = now
        credential.version += 1
        credential.save()
    revoke_links([account], now=now)
    outbox.mark_account(account, former_aor=former, numbers=[number])
    return former


def check_free(account: Account) -> None:
    """Raise InvalidFields where somebody else has the account's SIP URI, or it leads to them."""
    others = Account.objects.filter(domain=account.domain, user_part=account.user_part)
    other = others.exclude(pk=account.pk).exclude(state=State.REMOVED).first()
    if other is not None:
        raise taken(account.aor, other.name)
    led = Alias.objects.filter(aor=account.aor).exclude(account_id=account.pk)
    alias = led.select_related("account").first()
    if alias is not None:
        text = f"{describe_alias(alias)} Nothing was changed; end it there first."
        raise InvalidFields({"user_part": text})
    groups = GroupAddress.objects.filter(domain=account.domain, user_part=account.user_part)
    if (group := groups.first()) is not None:
        raise InvalidFields({"user_part": f"{describe_group(group)} Nothing was changed."})


def taken(aor: str, holder: str = "") -> InvalidInput:
    """That `holder` has the SIP URI."""
    who = f" It belongs to {holder}." if holder else ""
    text = f"The SIP URI {aor} is taken.{who} Nothing was changed."
    return InvalidFields({"user_part": text})


def set_keys(account: Account, *, number: str) -> None:
    """Fill the columns that lists sort and search by."""
    account.name_key = account_name_key(account.name)
    account.search_key = account_search_key(account.name, account.aor, number)


def number_of(account: Account) -> str:
    """The number of the account, empty for none."""
    return Number.objects.filter(account=account).values_list("e164", flat=True).first() or ""
