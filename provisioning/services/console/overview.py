"""What an administrator sees first: figures, what is wrong, what waits, what is not set up yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, QuerySet

from provisioning.core.states import MEANINGS, State
from provisioning.models import (
    Account,
    AccountRule,
    AuditEvent,
    ClientProfile,
    ConfigStore,
    DirectorySource,
    Person,
    Run,
    ServerPool,
    SipDomain,
    SipServer,
)
from provisioning.services.directory.source_standing import with_newest_run
from provisioning.services.push.waiting import Waiting, waiting_at, with_waiting
from provisioning.services.servers.server_certificates import concern

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
class Notice:
    """Something that is wrong or waits: what, and what of it.

    Tone is red or yellow; `noun` and `pk` say where to look: a run, source, store or its drift,
    server, or the people with a conflict.
    """

    tone: str
    title: str
    text: str
    noun: str
    pk: int | None = None
    since: datetime | None = None


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
    managed: bool
    servers: list[SipServer]
    alerts: list[Notice]
    waiting: list[Notice]
    activity: list[AuditEvent]
    steps: list[Step]

    @property
    def registered_percent(self) -> int | None:
        """How many of a hundred active accounts are registered."""
        if self.registered is None or not self.active:
            return None
        return round(100 * min(self.registered, self.active) / self.active)

    @property
    def steps_done(self) -> int:
        """How many of the first steps are done."""
        return sum(step.done for step in self.steps)

    @property
    def setting_up(self) -> bool:
        """Whether one of the first steps is still to do."""
        return self.steps_done < len(self.steps)


def overview() -> Overview:
    """The state of everything; a dozen queries, whatever the number of people and accounts."""
    states = _count_states()
    servers = list(SipServer.objects.select_related("pool").order_by("name"))
    stores = list(with_waiting(ConfigStore.objects.order_by("name")))
    sources = list(with_newest_run(DirectorySource.objects.order_by("name")))
    runs = list(_waiting_runs())
    here = Person.objects.filter(left_at=None)
    conflicts = Person.objects.exclude(problem="").count()
    counts = [server.registration_count for server in servers]
    known = [count for count in counts if count is not None]
    return Overview(
        people=here.count() - here.filter(same_as__isnull=False, same_as__left_at=None).count(),
        conflicts=conflicts,
        accounts=sum(states.values()),
        active=states.get(State.ACTIVE, 0),
        shares=_shares(states),
        registered=sum(known) if known else None,
        pending=waiting_at(stores),
        given_up=sum(store.dead_count for store in stores),  # type: ignore[attr-defined]
        managed=any(store.mode == ConfigStore.Mode.MANAGE for store in stores),
        servers=servers,
        alerts=[
            *_server_alerts(servers),
            *_certificates(servers),
            *_store_alerts(stores),
            *_source_alerts(sources),
        ],
        waiting=[*_approvals(runs), *_conflicts(conflicts)],
        activity=list(AuditEvent.objects.exclude(action__in=NO_NEWS).order_by("-id")[:ACTIVITY]),
        steps=_steps(servers, stores, sources),
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


def _waiting_runs() -> QuerySet[Run]:
    runs = Run.objects.filter(state=Run.State.WAITING).select_related("source")
    return runs.order_by("-id")[: WAITING_SHOWN + 1]


def _server_alerts(servers: list[SipServer]) -> list[Notice]:
    down = [s for s in servers if s.enabled and s.health == SipServer.Health.DOWN]
    if not down:
        return []
    homed = dict(
        Account.objects.filter(pool__in={server.pool_id for server in down}, state=State.ACTIVE)
        .order_by()
        .values_list("pool")
        .annotate(count=Count("pk"))
    )
    alone = {
        server.pool_id
        for server in down
        if all(other in down for other in servers if other.pool_id == server.pool_id)
    }
    return [
        Notice(
            "red",
            f"{server.name} does not answer.",
            (
                f"{homed.get(server.pool_id, 0):,} accounts of {server.pool} cannot register."
                if server.pool_id in alone
                else f"The other servers of {server.pool} still do."
            )
            + f" {_sentence(server.health_problem)}",
            "server",
            server.pk,
            server.down_since,
        )
        for server in down
    ]


def _certificates(servers: list[SipServer]) -> list[Notice]:
    return [
        Notice("yellow", f"Certificate of {server.name}.", said, "server", server.pk)
        for server in servers
        if server.enabled and (said := concern(server))
    ]


def _store_alerts(stores: list[ConfigStore]) -> list[Notice]:
    notices = []
    for store in stores:
        waiting = waiting_at([store])
        dead = store.dead_count  # type: ignore[attr-defined]
        if store.problem:
            text = f"{_sentence(store.problem)} {_until_it_works(waiting)}"
            notices.append(
                Notice("red", f"{store.name} cannot be written.", text, "store", store.pk)
            )
        if dead:
            title = f"{store.name} did not take {dead:,} change{'s' if dead != 1 else ''}."
            text = "The console gave up after several attempts; everything else went on."
            notices.append(Notice("red", title, text, "store", store.pk))
        if store.drift_count:
            what = "row differs" if store.drift_count == 1 else "rows differ"
            title = f"{store.name}: {store.drift_count:,} {what}."
            text = "Somebody else changed what the console had written there."
            notices.append(Notice("yellow", title, text, "store-drift", store.pk))
    return notices


def _source_alerts(sources: list[DirectorySource]) -> list[Notice]:
    notices = []
    for source in sources:
        if source.newest_state == Run.State.FAILED:  # type: ignore[attr-defined]
            problem = source.newest_problem  # type: ignore[attr-defined]
            text = _sentence(problem)
            at = source.newest_at  # type: ignore[attr-defined]
            notices.append(
                Notice("red", f"{source.name} could not be read.", text, "source", source.pk, at)
            )
        elif source.groups_stale_since is not None:
            title = f"The groups of {source.name} are out of date."
            text = "They could not be read, so the last complete ones stay in force."
            since = source.groups_stale_since
            notices.append(Notice("yellow", title, text, "source", source.pk, since))
    return notices


def _approvals(runs: list[Run]) -> list[Notice]:
    return [
        Notice(
            "yellow",
            f"{run.source}: {str(run).lower()}" if run.source else str(run),
            _held(run),
            "run",
            run.pk,
            run.created_at,
        )
        for run in runs[:WAITING_SHOWN]
    ]


def _held(run: Run) -> str:
    passed = len(run.breaches)
    return f"{passed} limit{'s' if passed != 1 else ''} passed; what passes them waits for you"


def _conflicts(count: int) -> list[Notice]:
    if not count:
        return []
    title = "One person has a conflict" if count == 1 else f"{count:,} people have conflicts"
    text = "A SIP URI or number is taken, or a value cannot be used"
    return [Notice("yellow", title, text, "conflicts")]


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


def _until_it_works(waiting: Waiting) -> str:
    if waiting.compared:
        more = f" {waiting.single:,} single changes wait as well;" if waiting.single else ""
        return f"Everything is compared as soon as it works;{more} none is lost."
    count = waiting.single
    changes = "One change waits" if count == 1 else f"{count:,} changes wait"
    return f"{changes} until it works; none is lost."


def _sentence(text: str) -> str:
    """The first line of what was reported, as a sentence."""
    line = text.strip().partition("\n")[0].strip()
    return line if not line or line[-1] in ".!?…" else f"{line}."
