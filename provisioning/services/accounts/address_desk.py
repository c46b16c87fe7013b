"""The address desk: gives each SIP URI to one account, lets accounts swap, keeps old ones apart."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from provisioning.core.states import State
from provisioning.models import Account, Alias, GroupAddress
from provisioning.services import bulk
from provisioning.services.accounts.claims import Claims
from provisioning.services.rules.decide import AccountView, Decision

_HOLDERS = f"""
SELECT aor, id, name FROM {Account._meta.db_table} WHERE state <> 'removed' AND
"""  # noqa: S608


@dataclass(slots=True, eq=False)
class AddressWish:
    """A decision that gives an account another SIP URI."""

    account: AccountView
    decision: Decision
    after: dict[str, Any]
    holder: str = ""

    @property
    def wanted(self) -> str:
        """The new SIP URI."""
        return str(self.after["aor"])

    @property
    def current(self) -> str:
        """The SIP URI that the account has until now."""
        return self.account.aor

    @property
    def name(self) -> str:
        """Whose account it is."""
        return str(self.after["name"])

    @property
    def keeps(self) -> bool:
        """Whether the former SIP URI leads on to the account, so that nobody else can have it."""
        return self.decision.alias_days > 0

    def refuse(self, holder: str) -> None:
        """Leave the SIP URI as it is, for `holder` has the other one."""
        self.leave(_belongs(self.wanted, holder))

    def leave(self, problem: str) -> None:
        """Leave the SIP URI as it is and say why."""
        account = self.account
        self.decision.problems.append(problem)
        self.decision.alias_days = 0
        self.after.update(aor=account.aor, user_part=account.user_part, domain=account.domain_id)


class AddressDesk:
    """Keeps SIP URIs unique over one plan; knows those that the plan gives to somebody."""

    def __init__(self) -> None:
        self._claims: Claims[AddressWish] = Claims()
        self._holders: dict[str, tuple[int, str]] = {}
        self._aliases: dict[str, tuple[int, str]] = {}
        self._any_alias = Alias.objects.exists()
        self._groups = {
            group.aor: (0, describe_group(group))
            for group in GroupAddress.objects.select_related("domain")
        }

    def look_up(self, aors: Collection[str]) -> None:
        """Read who has these SIP URIs, which the next decisions want, or had them until lately."""
        self._holders, self._aliases = {}, {}
        if not aors:
            return
        rows = bulk.fetch(_HOLDERS + bulk.one_of("aor"), [bulk.array(aors)])
        self._holders = {aor: (account_id, name) for aor, account_id, name in rows}
        if self._any_alias:
            former = Alias.objects.filter(aor__in=aors).select_related("account")
            self._aliases = {
                alias.aor: (alias.account_id, describe_alias(alias)) for alias in former
            }
        self._aliases |= self._groups

    def settle(
        self, account: AccountView | None, decision: Decision, after: dict[str, Any]
    ) -> bool:
        """Give the account its SIP URI or refuse it; False when only `finish` can tell."""
        aor = after["aor"]
        _, holder = self._holders.get(aor, (0, ""))
        owner, led = self._aliases.get(aor, (0, ""))
        if account is None or account.state is State.REMOVED:
            holder = holder or self._claims.holder(aor)
            if holder or led:
                decision.problems.append(led or _belongs(aor, holder))
                decision.after = None
            else:
                self._claims.take(aor, str(after["name"]))
            return True
        wish = AddressWish(account, decision, after, holder)
        if led and owner != account.id:
            wish.leave(led)
        elif holder:
            self._claims.wait(wish)
            return False
        else:
            self._claims.claim(wish)
        return True

    def finish(self) -> dict[int, int]:
        """Settle who waits for what others have; the place of each granted decision, by its id().

        Whoever gives a SIP URI up comes before whoever takes it.
        """
        granted = self._claims.finish()
        wanted = {wish.wanted for wish in granted}
        for wish in granted:
            if wish.current in wanted:  # in a circle: somebody else has it from now on
                wish.decision.alias_days = 0
        return {id(wish.decision): place for place, wish in enumerate(granted)}


def describe_alias(alias: Alias) -> str:
    """Why nobody else can have a SIP URI that leads on to its former account."""
    until = timezone.localtime(alias.ends_at)
    return (
        f"The SIP URI {alias.aor} belonged to {alias.account.name}, whom it still reaches until "
        f"{until:%-d %b %Y}."
    )


def describe_group(group: GroupAddress) -> str:
    """Why no account can have the SIP URI of a group address."""
    return f"The SIP URI {group.aor} is that of the group address {group}."


def _belongs(aor: str, holder: str) -> str:
    return f"The SIP URI {aor} already belongs to {holder}."
