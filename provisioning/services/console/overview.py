"""What an administrator sees first: figures, what is wrong, what waits, what is not set up yet."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count

from provisioning.core.severity import Severity
from provisioning.core.states import MEANINGS, State
from provisioning.models import (
    Account,
    AccountRule,
    AuditEvent,
    ClientProfile,
    ConfigStore,
    DirectorySource,
    Person,
    ServerPool,
    SipDomain,
    SipServer,
)
from provisioning.services.alerts.conditions import Condition, find_conditions
from provisioning.services.alerts.watch import watch
from provisioning.services.push.waiting import Waiting, waiting_at

ACTIVITY = 8
# Said too often to be news.
NO_NEWS = ("signed in", "signed out")
WAITING_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Share:
    """Accounts in one state; `start` and `width` are percent of all, for the stacked bar."""

    state: State
    label: str
    tone: str
    count: int
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Step:
    """One of the first steps: `key` names the page on which it is done."""

    key: str
    label: str
    text: str
    done: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """The overview: counts of now; `registered` is None where no server has said.

    `managed` tells whether the console writes to any store.
    """

    people: int
    conflicts: int
    accounts: int
    active: int
    shares: list[Share]
    registered: int | None
    pending: Waiting
    given_up: int
    drift: int
    managed: bool
    servers: list[SipServer]
    alerts: list[Condition]
    waiting: list[Condition]
    activity: list[AuditEvent]
    steps: list[Step]

    @property
    def registered_percent(self) -> int | None:
        """How many of a hundred active accounts are registered."""
        if self.registered is None or not self.active:
            return None
        return round(100 * min(self.registered, self.active) / self.active)

    @property
    def not_reloaded(self) -> list[SipServer]:
        """Servers that do not follow yet what is written for them."""
        return [each for each in self.servers if each.enabled and each.reload_pending]

    @property
    def steps_done(self) -> int:
        """How many of the first steps are done."""
        return sum(step.done for step in self.steps)

    @property
    def setting_up(self) -> bool:
        """Whether one of the first steps is still to do."""
        return self.steps_done < len(self.steps)


def overview() -> Overview:
    """The state of everything; some twenty queries, whatever the number of people and accounts."""
    states = _count_states()
    watched = watch()
    servers, stores = watched.servers, watched.stores
    conditions = find_conditions(watched)
    held = [each for each in conditions if each.kind == "run-held"]
    here = Person.objects.filter(left_at=None)
    counts = [server.registration_count for server in servers]
    known = [count for count in counts if count is not None]
    return Overview(
        people=here.count() - here.filter(same_as__isnull=False, same_as__left_at=None).count(),
        conflicts=watched.conflicts,
        accounts=sum(states.values()),
        active=states.get(State.ACTIVE, 0),
        shares=_shares(states),
        registered=sum(known) if known else None,
        pending=waiting_at(stores),
        given_up=sum(store.dead_count for store in stores),  # type: ignore[attr-defined]
        drift=sum(store.drift_count for store in stores),
        managed=any(store.mode == ConfigStore.Mode.MANAGE for store in stores),
        servers=servers,
        alerts=[each for each in conditions if each.severity is not Severity.DECISION],
        waiting=[
            each
            for each in conditions
            if each.severity is Severity.DECISION and each not in held[WAITING_SHOWN:]
        ],
        activity=list(
            AuditEvent.objects.exclude(action__in=NO_NEWS)
            .select_related("actor")
            .order_by("-id")[:ACTIVITY]
        ),
        steps=_steps(servers, stores, watched.sources),
    )


def _count_states() -> dict[str, int]:
    """How many accounts are in each state, without those that are removed.

    The active ones, nearly all, are what the others leave: only of those there is an index.
    """
    few = Account.objects.exclude(state=State.ACTIVE).order_by()
    states = dict(few.values_list("state").annotate(count=Count("pk")))
    states[State.ACTIVE] = Account.objects.count() - sum(states.values())
    states.pop(State.REMOVED, None)
    return states


def _shares(states: dict[str, int]) -> list[Share]:
    total, start, shares = sum(states.values()), 0.0, []
    for state, meaning in MEANINGS.items():
        if count := states.get(state, 0):
            width = 100 * count / total
            shares.append(
                Share(state, meaning.label, meaning.tone, count, round(start, 3), round(width, 3))
            )
            start += width
    return shares


def _steps(
    servers: list[SipServer], stores: list[ConfigStore], sources: list[DirectorySource]
) -> list[Step]:
    pools, domains = ServerPool.objects.exists(), SipDomain.objects.exists()
    rules, profiles = AccountRule.objects.exists(), ClientProfile.objects.exists()
    return [
        Step("source", "Add a directory", "Where people and groups come from", bool(sources)),
        Step("domain", "Add a SIP domain", "What stands after the @ of every SIP URI", domains),
        Step("pool", "Add a pool", "The home of accounts: servers that belong together",
             pools),
        Step("store", "Add its store", "The database that the SIP servers read", bool(stores)),
        Step("server", "Add its SIP servers", "Where clients register", bool(servers)),
        Step("rule", "Write an account rule", "Who gets which SIP URI, number and pool", rules),
        Step("profile", "Add a client profile", "How clients are set up", profiles),
        Step("sync", "Sync for the first time", "See the plan, then apply it",
             any(source.last_complete_at for source in sources)),
        Step("manage", "Let the console manage a store", "Until then it reads and never writes",
             any(store.mode == ConfigStore.Mode.MANAGE for store in stores)),
    ]  # fmt: skip
