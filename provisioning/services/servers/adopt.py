"""Adopting rows of an existing store: from then on they are the console's, as if it made them.

Adopting writes nothing to the store. Clients register with their old passwords before and after:
digests are kept as they are, sealed, with their realm and algorithm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.core.sip import check_user_part
from provisioning.core.states import MEANINGS, State
from provisioning.drivers.base import AliasRow, Kind, Row
from provisioning.models import (
    Account,
    Alias,
    ConfigStore,
    Credential,
    Number,
    OwnedRow,
    Pin,
    PushRecord,
    SipDomain,
)
from provisioning.profiles.registry import RENDERERS
from provisioning.services import bulk
from provisioning.services.accounts.addresses import give_address
from provisioning.services.accounts.credentials import make_credential
from provisioning.services.accounts.pins import set_pin
from provisioning.services.accounts.standing import locked
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.numbers.numbers import assign_number
from provisioning.services.push import outbox
from provisioning.services.push.desired import fingerprint
from provisioning.services.push.push_record import Image, Journal
from provisioning.services.servers.adopt_choice import Candidate, Portion, find_candidates
from provisioning.services.servers.driver_access import open_store

# An alias that somebody made before does not end by itself.
_FOR_EVER = timedelta(days=3650)
_KEEP_CREDENTIAL = f"""
UPDATE {Credential._meta.db_table} SET sealed_secret = %s, sealed_import = %s, auth_user = %s,
    version = %s, rotated_at = %s WHERE id = %s
"""  # noqa: S608


class Effect(StrEnum):
    """What the next push does to an adopted account's row."""

    NOTHING = "nothing"
    COLUMNS = "columns"
    DIGEST = "digest"
    LOCKED = "locked"
    REMOVED = "removed"


EFFECTS: dict[Effect, str] = {
    Effect.NOTHING: "Nothing changes at the server",
    Effect.COLUMNS: "A password column that is not used is locked; clients notice nothing",
    Effect.DIGEST: "The digest is written and the clear text locked",
    Effect.LOCKED: "Nobody may register with it any more: the account here is not active",
    Effect.REMOVED: "The row is taken away: the account here is not on any server",
}


@dataclass(slots=True)
class AdoptReport:
    """What is, or would be, adopted: counts, and examples of both kinds.

    `left` counts chosen rows that cannot be adopted by their reason; `renamed` accounts get the SIP
    URI that stands at the server; `digests` have no clear text, so `formats` cannot be made.
    """

    adopted: int = 0
    renamed: int = 0
    digests: int = 0
    aliases: int = 0
    more: bool = False
    effects: Counter[Effect] = field(default_factory=Counter)
    by: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[str, str, str]] = field(default_factory=list)
    left_examples: list[tuple[str, str]] = field(default_factory=list)

    @property
    def formats(self) -> list[str]:
        """The client formats that need a clear text."""
        return [
            each.label for each in RENDERERS.values() if each.holds_secret and not each.takes_ha1
        ]

    def as_json(self) -> dict[str, Any]:
        """The report in plain values."""
        return {
            "adopted": self.adopted, "renamed": self.renamed, "digests": self.digests,
            "aliases": self.aliases, "more": self.more,
            "effects": {each.value: self.effects[each] for each in Effect},
            "by": dict(self.by), "left": dict(self.left),
        }  # fmt: skip

    def note(self, candidate: Candidate, *, examples: int = 20) -> None:
        """Count one chosen row."""
        account = candidate.account
        if account is None or candidate.row is None:
            self.left[candidate.reason] += 1
            if len(self.left_examples) < examples:
                self.left_examples.append((candidate.key, candidate.reason))
            return
        effect = effect_of(candidate)
        self.adopted += 1
        self.renamed += account.aor != candidate.key
        self.digests += candidate.digest is not None
        self.aliases += len(candidate.aliases)
        self.effects[effect] += 1
        self.by[candidate.by] += 1
        if len(self.examples) < examples:
            self.examples.append((candidate.key, str(account), EFFECTS[effect]))


def preview_adoption(*, store: ConfigStore, portion: Portion) -> AdoptReport:
    """What adopting `portion` would do, and what the next push would then do; nothing is kept.

    Raises Unreachable or Rejected where the store cannot be read.
    """
    report = AdoptReport()
    with open_store(store) as driver:
        for batch in find_candidates(store=store, driver=driver, portion=portion):
            for candidate in batch:
                report.note(candidate)
    return report


def adopt(
    *, store: ConfigStore, portion: Portion, actor: Actor, at_most: int | None = None
) -> AdoptReport:
    """Adopt `portion`, in short transactions: what was adopted before a failure stays so.

    A snapshot of each row is kept for 90 days. A person's account that has another SIP URI gets the
    one at the server, pinned. `at_most` rows are adopted; `more` says whether others are left.
    """
    if not Account.objects.filter(pool_id=store.pool_id).exists():
        raise InvalidInput(f"No account has the home pool {store.pool}. Nothing was adopted.")
    report = AdoptReport()
    journal = Journal(store, PushRecord.Kind.ADOPTION, actor=actor)
    with open_store(store) as driver:
        for batch in find_candidates(store=store, driver=driver, portion=portion):
            good = [each for each in batch if not each.reason]
            if at_most is not None and report.adopted + len(good) > at_most:
                report.more = True
                good = good[: at_most - report.adopted]
                batch = [*good, *(each for each in batch if each.reason)]
            with transaction.atomic():
                for candidate in batch:
                    report.note(candidate)
                aliases = _adopt(store, good, journal, actor)
                report.aliases += aliases - sum(len(each.aliases) for each in good)
            if report.more:
                break
    journal.settle()
    if report.adopted:
        detail = {"accounts": report.adopted, "aliases": report.aliases, "renamed": report.renamed}
        audit.record(actor=actor, action="adopted accounts of", obj=store, detail=detail)
    return report


def effect_of(candidate: Candidate) -> Effect:
    """What the next push would do to the row."""
    account, row = candidate.account, candidate.row
    assert account is not None and row is not None  # noqa: S101, PT018 - only of good candidates
    meaning = MEANINGS[State(account.state)]
    if not meaning.on_server:
        return Effect.REMOVED
    if not meaning.usable:
        return Effect.LOCKED
    if candidate.secret is not None:
        return Effect.DIGEST
    kept = candidate.digest.ha1b if candidate.digest else ""
    used = row.password is None and (row.ha1b is None or row.ha1b == kept != "")
    return Effect.NOTHING if used else Effect.COLUMNS


def _adopt(
    store: ConfigStore, candidates: Sequence[Candidate], journal: Journal, actor: Actor
) -> int:
    """Adopt some rows in the caller's transaction; how many aliases came with them."""
    if not candidates:
        return 0
    accounts = {each.pk: each for each in locked([_id(each) for each in candidates])}
    for each in candidates:
        account = accounts[_id(each)]
        user, _, domain = each.key.rpartition("@")
        if account.aor != each.key:
            give_address(account, domain=SipDomain.objects.get(domain=domain), user_part=user)
            if account.person_id is not None:
                set_pin(account=account, field=Pin.Field.USER_PART, value=user,
                        reason="Adopted as it stood at the server", actor=actor)  # fmt: skip
    _keep_credentials(candidates, accounts)
    rows: list[Row] = [each.row for each in candidates if each.row is not None]
    _own(store, Kind.SUBSCRIBER, rows, journal)
    aliases = [
        alias
        for each in candidates
        for alias in each.aliases
        if _adopt_alias(accounts[_id(each)], alias, actor)
    ]
    _own(store, Kind.ALIAS, aliases, journal)
    return len(aliases)


def _id(candidate: Candidate) -> int:
    return candidate.account.pk if candidate.account else 0


def _keep_credentials(candidates: Sequence[Candidate], accounts: dict[int, Account]) -> None:
    found = {each.account_id: each for each in Credential.objects.filter(account__in=accounts)}
    now = timezone.now()
    for candidate in candidates:
        account = accounts[_id(candidate)]
        credential = found.get(account.pk)
        if credential is None:
            credential = found[account.pk] = make_credential(account)
        if candidate.secret is not None:
            credential.set_secret(candidate.secret)
        elif candidate.digest is not None:
            credential.set_import(candidate.digest)
        credential.auth_user = account.user_part
        credential.version += 1
        credential.rotated_at = now
    # bulk_update takes ten times as long: it compares every row with every other.
    at = bulk.moment(now)
    bulk.execute_many(
        _KEEP_CREDENTIAL,
        [
            (each.sealed_secret, each.sealed_import, each.auth_user, each.version, at, each.pk)
            for each in found.values()
        ],
    )


def _own(store: ConfigStore, kind: Kind, rows: Sequence[Row], journal: Journal) -> None:
    """Note rows as the console's, as they stand, with a snapshot; ask for them where managed."""
    prints = {row.key: fingerprint(row) for row in rows}
    bulk.upsert_rows(
        OwnedRow._meta.db_table, shared={"store_id": store.pk, "kind": kind.value}, key="key",
        values=prints, value="content",
    )  # fmt: skip
    journal.note(kind, [Image(kind, row.key, row, prints[row.key]) for row in rows])
    if store.mode == ConfigStore.Mode.MANAGE:
        outbox.mark_each(store_ids=[store.pk], kind=kind, keys=list(prints))


def _adopt_alias(account: Account, alias: AliasRow, actor: Actor) -> bool:
    """Make an alias the account's own here: its number, or else a SIP URI that leads to it.

    False where it stays a row of others: it belongs to somebody else here, or cannot be kept.
    """
    number = Number.objects.filter(e164=alias.alias_user).first()
    at_home = alias.alias_domain == account.domain.domain
    if number is not None and number.account_id is not None:
        return number.account_id == account.pk and at_home
    wanted = alias.alias_user.startswith("+") and at_home
    if wanted and not Number.objects.filter(account=account).exists():
        try:
            with transaction.atomic():
                assign_number(account=account, e164=alias.alias_user, actor=actor)
        except InvalidInput:
            return False
        return True
    domain = SipDomain.objects.filter(domain=alias.alias_domain).first()
    try:
        fits = check_user_part(alias.alias_user) == alias.alias_user
    except InvalidInput:
        fits = False
    held = Alias.objects.filter(aor=alias.key).first()
    if held is not None:
        return held.account_id == account.pk
    lives = Account.objects.filter(aor=alias.key).exclude(state=State.REMOVED).exists()
    if domain is None or not fits or lives:
        return False
    now = timezone.now()
    Alias.objects.create(
        account=account, domain=domain, user_part=alias.alias_user, aor=alias.key,
        ends_at=now + _FOR_EVER, created_at=now,
    )  # fmt: skip
    return True
