"""Planning the inverse of a run: what it did to accounts, where nobody changed them since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Model, QuerySet
from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.core.states import MEANINGS, State
from provisioning.models import (
    ClientProfile,
    Number,
    Person,
    Pin,
    PlannedChange,
    Run,
    ServerPool,
    SipDomain,
    Site,
)
from provisioning.services.accounts.address_desk import AddressDesk
from provisioning.services.numbers.number_desk import NumberDesk, Wish
from provisioning.services.numbers.numbers import end_of_quarantine
from provisioning.services.rules.decide import AccountView, Decision, as_fields
from provisioning.services.runs.plan import APPLIED, PlanWriter
from provisioning.services.runs.progress import Progress
from provisioning.services.sync.plan_accounts import accounts_of, keys_of, risk_of
from provisioning.services.sync.sync import Plan

# So long what was restored stays as it is whatever directory and rules say.
KEPT = timedelta(days=30)
# What an undo restores, with the pin that keeps it; names and kinds stay those of the directory.
RESTORED = {
    "state": Pin.Field.STATE, "aor": Pin.Field.USER_PART, "number": Pin.Field.NUMBER,
    "pool": Pin.Field.POOL, "site": Pin.Field.SITE, "profile": Pin.Field.PROFILE,
}  # fmt: skip
# The fields of an address are restored together.
_ADDRESS = ("aor", "user_part", "domain")
_REFERENCES: dict[str, type[Model]] = {
    "pool": ServerPool,
    "site": Site,
    "profile": ClientProfile,
    "domain": SipDomain,
}
_CHUNK = 500


def applied_changes(run: Run) -> QuerySet[PlannedChange]:
    """What `run` did to accounts."""
    return run.changes.filter(APPLIED, kind="account", action__in=["create", "update"])


def plan_undo(*, run: Run, progress: Progress) -> Plan:
    """Write the plan of `run`, the inverse of what the run that it undoes did to accounts.

    Nothing is read from a directory. What moved on since is written as out of date, with why.
    """
    undone = run.undoes
    if undone is None:
        raise InvalidInput("The run that it undoes was forgotten meanwhile. Nothing was changed.")
    plan = Plan(PlanWriter(run))
    progress.phase(Run.Phase.PLAN, applied_changes(undone).count())
    UndoPlanner(undone=undone, writer=plan.writer, progress=progress).plan()
    plan.writer.flush()
    plan.remarks.append(
        "Accounts only: people, groups and names stay as the directory says. What is restored is "
        f"pinned until {timezone.localdate() + KEPT:%-d %b %Y}, so that no sync takes it back; "
        "revoked links stay revoked."
    )
    return plan


class UndoPlanner:
    """Plans the inverse of one run."""

    def __init__(self, *, undone: Run, writer: PlanWriter, progress: Progress) -> None:
        self.undone = undone
        self.writer = writer
        self.progress = progress
        self.until = timezone.localdate() + KEPT
        self._known = {
            name: set(model._default_manager.values_list("pk", flat=True)) | {0}
            for name, model in _REFERENCES.items()
        }
        self._addresses = AddressDesk()
        # What that run took away waits in quarantine for nobody but whoever had it.
        returning = Number.objects.filter(
            state=Number.State.QUARANTINED, quarantined_until=end_of_quarantine(undone)
        )
        self._numbers = NumberDesk(returning=set(returning.values_list("e164", flat=True)))
        released = applied_changes(undone).filter(before__has_key="number")
        self._missed = set(released.values_list("before__number", flat=True)) - {""}
        self._postponed: list[_Inverse] = []

    def plan(self) -> None:
        """Write a row for each account that gets something back, and one for what does not fit."""
        changes = applied_changes(self.undone).order_by("ordinal")
        last = 0
        # No cursor stays open between pages: on SQLite nobody else could write meanwhile.
        while chunk := list(changes.filter(ordinal__gt=last)[:_CHUNK]):
            last = chunk[-1].ordinal
            self._settle(list(self._inverses(chunk)))
            self.progress.advance(len(chunk))
        self._numbers.finish()
        places = self._addresses.finish()
        self._postponed.sort(key=lambda inverse: places.get(id(inverse.decision), -1))
        for inverse in self._postponed:
            self._write(inverse)

    def _inverses(self, changes: list[PlannedChange]) -> Iterator[_Inverse]:
        accounts = _accounts_of(changes)
        for change in changes:
            account = accounts.get((change.source_id, change.subject))
            if account is not None:
                inverse = _Inverse(change, account, self._known)
                if change.action == "create" and account.number in self._missed:
                    inverse.give_up_number()
                yield inverse

    def _settle(self, inverses: list[_Inverse]) -> None:
        self._addresses.look_up([each.after["aor"] for each in inverses if each.moves])
        self._numbers.look_up({each.after["number"] for each in inverses} - {""})
        for each in inverses:
            settled = True
            if each.moves:
                settled = self._addresses.settle(each.account, each.decision, each.after)
            wish = Wish(each.account.id, each.account.number, each.decision, each.after)
            if self._numbers.settle(wish) and settled:
                self._write(each)
            else:
                self._postponed.append(each)

    def _write(self, inverse: _Inverse) -> None:
        change, account, after = inverse.change, inverse.account, inverse.after
        row: dict[str, Any] = {
            "source_id": change.source_id, "kind": "account", "key": change.key,
            "subject": change.subject, "name": account.name, "base_version": account.version,
            "domain_id": account.domain_id, "pool_id": account.pool_id,
        }  # fmt: skip
        now = as_fields(account)
        back = {field: after[field] for field, value in now.items() if after[field] != value}
        if back:
            before = {field: now[field] for field in back}
            if {"aor", "number"} & back.keys():
                back |= keys_of(after)
            self.writer.add(
                action="update", before=before, category=risk_of(account, after),
                after=back | {"pins": _pins(back), "pins_until": self.until.isoformat()}, **row,
            )  # fmt: skip
        left = {
            field: value
            for field, value in inverse.wanted.items()
            if after[field] != value and now[field] != value
        }
        if left:
            self.writer.add(
                action="update", before={field: now[field] for field in left}, after=left,
                status=PlannedChange.Status.STALE,
                message=" ".join([*inverse.left, *inverse.decision.problems]), **row,
            )  # fmt: skip


class _Inverse:
    """What one change of an account is turned into, and what of it no longer fits."""

    def __init__(
        self, change: PlannedChange, account: AccountView, known: dict[str, set[int]]
    ) -> None:
        self.change = change
        self.account = account
        self.wanted = _wanted(change)
        self.left: list[str] = []
        self.after: dict[str, Any] = as_fields(account)
        self.decision = Decision(self.after)
        for field in RESTORED:
            if field not in self.wanted or self.after[field] == self.wanted[field]:
                continue
            if reason := self._reason(field, known):
                self.left.append(reason)
            else:
                fields = _ADDRESS if field == "aor" else (field,)
                self.after.update({each: self.wanted[each] for each in fields})

    def give_up_number(self) -> None:
        """Let the number of an account that the run made return to whoever had it."""
        if "number" not in self.account.pins:
            self.wanted["number"] = self.after["number"] = ""

    @property
    def moves(self) -> bool:
        """Whether the account gets back another SIP URI."""
        return bool(self.after["aor"] != self.account.aor)

    def _reason(self, field: str, known: dict[str, set[int]]) -> str:
        """Why a field is not restored; empty when it is."""
        account, made = self.account, self.change.after.get(field)
        now = as_fields(account)[field]
        if account.state is State.REMOVED:
            return "The account was removed since."
        if RESTORED[field] in account.pins:
            return f"An administrator pinned {_NAMES[field]} since."
        if field == "state" and account.blocked:
            return "An administrator blocked the account since."
        if now != made and self.change.action != "create":
            shown = MEANINGS[State(now)].label.lower() if field == "state" else now
            other = f"is {shown or 'none'} now" if field in _SHOWN else "is another one now"
            return f"{_NAMES[field].capitalize()} {other}."
        reference = "domain" if field == "aor" else field
        if reference in known and self.wanted[reference] not in known[reference]:
            return f"{_NAMES[field].capitalize()} of before is not there any more."
        return ""


_NAMES = {
    "state": "the state", "aor": "the SIP URI", "number": "the number", "pool": "the home pool",
    "site": "the site", "profile": "the client profile",
}  # fmt: skip
_SHOWN = ("state", "aor", "number")


def _wanted(change: PlannedChange) -> dict[str, Any]:
    """The values of before; an account that the run made goes into grace, where nothing is lost."""
    if change.action == "create":
        return {"state": State.GRACE.value}
    wanted = {field: change.before[field] for field in RESTORED if field in change.before}
    if "aor" in wanted:
        # A run that changed only one part of an address has only that part in its row.
        user, _, _ = wanted["aor"].partition("@")
        wanted["user_part"] = change.before.get("user_part", user)
        wanted["domain"] = change.before.get("domain", change.domain_id)
    if wanted.get("state") == State.REMOVED:
        wanted["state"] = State.GRACE.value
    if wanted.get("state") == State.BLOCKED:
        del wanted["state"]
    return wanted


def _pins(back: dict[str, Any]) -> dict[str, str]:
    """The pins that keep what is restored: field → value."""
    pins = {}
    for field, pin in RESTORED.items():
        if field in back:
            value = back["aor"].partition("@")[0] if field == "aor" else back[field]
            pins[pin.value] = str(value or "")
    return pins


def _accounts_of(changes: Iterable[PlannedChange]) -> dict[tuple[int, str], AccountView]:
    """The accounts that changes are about, by source and GUID."""
    subjects = [(change.source_id, change.subject) for change in changes]
    people = Person.objects.filter(
        source__in={source for source, _ in subjects}, guid__in=[guid for _, guid in subjects]
    ).values_list("pk", "source_id", "guid")
    ids = {pk: (source_id, guid) for pk, source_id, guid in people}
    return {ids[person]: account for person, account in accounts_of(list(ids)).items()}
