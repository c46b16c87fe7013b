"""What a plan does downstream: service, numbers, links, registrations, rows at each store."""

from __future__ import annotations

from dataclasses import dataclass, field

from provisioning.core.states import MEANINGS
from provisioning.models import ConfigStore, PlannedChange, ProvisioningLink, Run, SipServer
from provisioning.services import bulk
from provisioning.services.runs.apply_people import PERSON
from provisioning.services.runs.plan import TABLE
from provisioning.services.runs.stale_accounts import ACCOUNT, ITS_PERSON, NUMBER

_LINK = ProvisioningLink._meta.db_table


def _states(*, usable: bool | None = None, on_server: bool | None = None) -> str:
    found = [
        state.value
        for state, meaning in MEANINGS.items()
        if usable in (None, meaning.usable) and on_server in (None, meaning.on_server)
    ]
    return ", ".join(f"'{state}'" for state in found)


# What each account is, and what it becomes: a row for each planned account.
_BECOMES = f"""
SELECT {ACCOUNT}.id, {ACCOUNT}.state AS state, {ACCOUNT}.aor AS aor, {ACCOUNT}.pool_id AS pool,
    COALESCE({NUMBER}.e164, '') AS number,
    COALESCE(p.after ->> 'state', {ACCOUNT}.state) AS new_state,
    COALESCE(p.after ->> 'aor', {ACCOUNT}.aor) AS new_aor,
    COALESCE(CAST(p.after ->> 'pool' AS bigint), {ACCOUNT}.pool_id) AS new_pool,
    COALESCE(p.after ->> 'number', {NUMBER}.e164, '') AS new_number
FROM {TABLE} p
LEFT JOIN {PERSON} ON {ITS_PERSON}
LEFT JOIN {ACCOUNT} ON {ACCOUNT}.person_id = {PERSON}.id AND {ACCOUNT}.slot = 'main'
LEFT JOIN {NUMBER} ON {NUMBER}.account_id = {ACCOUNT}.id
WHERE p.run_id = %s AND p.kind = 'account' AND p.action IN ('create', 'update') AND {{those}}
"""  # noqa: S608
_WAS_USABLE = f"COALESCE(state IN ({_states(usable=True)}), FALSE)"
_IS_USABLE = f"new_state IN ({_states(usable=True)})"
_WAS_THERE = f"COALESCE(state IN ({_states(on_server=True)}), FALSE)"
_IS_THERE = f"new_state IN ({_states(on_server=True)})"
_MOVES = "(new_aor <> aor OR new_pool <> pool)"
_PUSHED = f"(id IS NULL OR new_state <> state OR {_MOVES} OR new_number <> number)"
_CUT_OFF = f"{_WAS_USABLE} AND (NOT {_IS_USABLE} OR {_MOVES})"
_FIGURES = f"""
SELECT COUNT(*) FILTER (WHERE id IS NULL),
    COUNT(*) FILTER (WHERE {_WAS_USABLE} AND NOT {_IS_USABLE}),
    COUNT(*) FILTER (WHERE id IS NOT NULL AND NOT {_WAS_USABLE} AND {_IS_USABLE}),
    COUNT(*) FILTER (WHERE id IS NOT NULL AND new_aor <> aor),
    COUNT(*) FILTER (WHERE id IS NOT NULL AND new_pool <> pool),
    COUNT(*) FILTER (WHERE new_number <> '' AND new_number <> number),
    COUNT(*) FILTER (WHERE number <> '' AND new_number <> number AND number NOT IN (
        SELECT new_number FROM becomes)),
    COUNT(*) FILTER (WHERE {_CUT_OFF})
FROM becomes
"""  # noqa: S608
_LINKS = f"""
SELECT COUNT(*) FROM {_LINK} JOIN becomes ON becomes.id = {_LINK}.account_id
WHERE {_LINK}.revoked_at IS NULL AND {_LINK}.expires_at > %s
  AND (new_aor <> aor OR (new_state <> state AND NOT {_IS_USABLE}))
"""  # noqa: S608
# By home pool, for a store has the accounts of its pool. A number has a row where its account is.
_WRITTEN = f"""
SELECT new_pool, COUNT(*) FILTER (WHERE {_IS_THERE}),
    COUNT(*) FILTER (WHERE {_IS_THERE} AND new_number <> ''), 0, 0, 0
FROM becomes WHERE {_PUSHED} GROUP BY new_pool
"""  # noqa: S608
_GONE = f"""
SELECT pool, 0, 0,
    COUNT(*) FILTER (WHERE {_WAS_THERE} AND ({_MOVES} OR NOT {_IS_THERE})),
    COUNT(*) FILTER (WHERE number <> '' AND {_WAS_THERE}
                     AND (new_number <> number OR new_pool <> pool OR NOT {_IS_THERE})),
    COUNT(*) FILTER (WHERE {_CUT_OFF})
FROM becomes WHERE id IS NOT NULL GROUP BY pool
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class StoreEffect:
    """What a plan writes and deletes at one store, in rows; nothing where it is only observed."""

    store: str
    managed: bool
    accounts_written: int = 0
    numbers_written: int = 0
    accounts_deleted: int = 0
    numbers_deleted: int = 0

    @property
    def text(self) -> str:
        """The figures in words."""
        if not self.managed:
            return "observed only: nothing is written"
        parts = [
            f"{count:,} {noun}{'' if count == 1 else 's'} {what}"
            for count, noun, what in (
                (self.accounts_written, "account row", "written"),
                (self.numbers_written, "number row", "written"),
                (self.accounts_deleted, "account row", "deleted"),
                (self.numbers_deleted, "number row", "deleted"),
            )
            if count
        ]
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Effects:
    """What follows from some rows of a plan; counts of accounts, numbers and links.

    `cut_off` are the accounts whose registrations end, at `servers`; `quarantined` the numbers that
    nobody has any more.
    """

    made: int
    losing: int
    regaining: int
    renamed: int
    moved: int
    numbers: int
    quarantined: int
    cut_off: int
    links: int
    servers: list[str] = field(default_factory=list)
    stores: list[StoreEffect] = field(default_factory=list)

    @property
    def lines(self) -> list[tuple[str, int]]:
        """What there is, as (label, count)."""
        named = (
            ("New accounts", self.made), ("Losing service", self.losing),
            ("In service again", self.regaining), ("Other SIP URI", self.renamed),
            ("Other home pool", self.moved), ("Numbers given", self.numbers),
            ("Numbers into quarantine", self.quarantined),
            ("Registrations end", self.cut_off), ("Links revoked", self.links),
        )  # fmt: skip
        return [(label, count) for label, count in named if count]


def effects_of(*, run: Run) -> Effects | None:
    """What applying what `run` holds, or all that a preview planned, would do; None for nothing.

    Computed from the rows and the accounts as they are now; five queries.
    """
    statuses = PlannedChange.Status
    if run.state == Run.State.WAITING:
        wanted = [statuses.HELD]
    elif run.state == Run.State.PREVIEW:
        wanted = [statuses.PLANNED, statuses.HELD]
    else:
        return None
    those = " OR ".join(f"p.status = '{status.value}'" for status in wanted)
    becomes = f"WITH becomes AS ({_BECOMES.format(those=f'({those})')})"
    figures = bulk.fetch(becomes + _FIGURES, [run.pk])[0]
    if not any(figures):
        return None
    ((links,),) = bulk.fetch(becomes + _LINKS, [run.pk, bulk.moment()])
    by_pool: dict[int, list[int]] = {}
    for statement in (_WRITTEN, _GONE):
        for pool, *counts in bulk.fetch(becomes + statement, [run.pk]):
            known = by_pool.setdefault(pool, [0] * 5)
            by_pool[pool] = [old + new for old, new in zip(known, counts, strict=True)]
    cut_off = [pool for pool, counts in by_pool.items() if counts[4]]
    servers = SipServer.objects.filter(pool__in=cut_off, enabled=True).order_by("name")
    made, losing, regaining, renamed, moved, numbers, quarantined, ended = figures
    return Effects(
        made=made, losing=losing, regaining=regaining, renamed=renamed, moved=moved,
        numbers=numbers, quarantined=quarantined, cut_off=ended, links=links,
        servers=list(servers.values_list("name", flat=True)), stores=_at_stores(by_pool),
    )  # fmt: skip


def _at_stores(by_pool: dict[int, list[int]]) -> list[StoreEffect]:
    found = []
    for store in ConfigStore.objects.filter(pool__in=by_pool).order_by("name"):
        counts = by_pool[store.pool_id]
        managed = store.mode == ConfigStore.Mode.MANAGE
        if any(counts[:4]):
            found.append(StoreEffect(store.name, managed, *(counts[:4] if managed else ())))
    return found
