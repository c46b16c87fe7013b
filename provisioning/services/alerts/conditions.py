"""The one list of what can be wrong: each condition of now, with what of it and where to look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from provisioning.core.severity import Severity
from provisioning.core.text import counted
from provisioning.drivers.base import Kind
from provisioning.models import ConfigStore, Rollout, Run, SipServer
from provisioning.services.alerts.watch import Watched, is_down
from provisioning.services.directory.source_standing import is_late, read_last
from provisioning.services.push.waiting import Waiting, waiting_at
from provisioning.services.servers.server_certificates import concern

# Registrations count as dropped from so many on, below this part of what they were.
_FEWEST = 50
_DROPPED = 0.6
# Provisioning links asked for in vain within 15 minutes: by one network, and by all together.
_REFUSED_OF_ONE, _REFUSED_OF_ALL = 30, 300
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is wrong or waits now.

    `kind` is one of KINDS; with `pk` it tells the condition from every other. `noun` and `pk` say
    where to look: a run, rollout, source, store or its drift, server, channel, refused links, or
    people with a conflict.
    """

    kind: str
    severity: Severity
    title: str
    text: str
    noun: str
    pk: int | None = None
    since: datetime | None = None

    @property
    def key(self) -> str:
        """The same for as long as it lasts."""
        return self.kind if self.pk is None else f"{self.kind}:{self.pk}"

    @property
    def tone(self) -> str:
        """The colour of its severity."""
        return self.severity.tone


# What can be wrong, for documents and for whoever receives alerts.
KINDS = {
    "server-down": "A SIP server does not answer",
    "server-refuses": "A SIP server answers and does not let the console in",
    "reload-refused": "A SIP server refuses to reload what was written for it",
    "certificate": "The certificate of a SIP server is about to expire, or clients refuse it",
    "not-effective": "A SIP server does something else than intended, as a probe found",
    "registrations-dropped": "A SIP server lost many of its registrations within the hour",
    "store-unwritable": "A store cannot be written; changes wait",
    "changes-given-up": "A store refused changes for good",
    "drift": "A store holds other rows than the console left there",
    "registrations-unread": "The live registrations of a store cannot be read",
    "sync-failed": "A source could not be read",
    "sync-late": "A source was not read for three of its intervals",
    "groups-stale": "The groups of a source are out of date",
    "links-tried": "Many provisioning links are asked for that do not work",
    "channel-failing": "Alerts do not arrive at a channel",
    "rollout-rolled-back": "A rollout was rolled back",
    "rollout-waits": "A rollout is paused, or waits for an approval",
    "run-held": "A run passes a limit and waits for an approval",
    "conflicts": "People have conflicts",
}


def find_conditions(watched: Watched) -> list[Condition]:
    """Every condition of now, those of servers first; nothing is wrong that is in maintenance."""
    watched = replace(
        watched,
        servers=[
            server
            for server in watched.servers
            if not (server.in_maintenance or server.pool.in_maintenance)
        ],
        stores=[store for store in watched.stores if not store.pool.in_maintenance],
        lists=[each for each in watched.lists if not each.store.pool.in_maintenance],
    )
    return [
        *_of_servers(watched),
        *_of_certificates(watched),
        *_of_probes(watched),
        *_of_registrations(watched),
        *_of_stores(watched),
        *_of_lists(watched),
        *_of_rollouts(watched),
        *_of_sources(watched),
        *_of_links(watched),
        *_of_channels(watched),
        *_of_runs(watched),
        *_of_people(watched),
    ]


def _of_servers(watched: Watched) -> Iterator[Condition]:
    down = [server for server in watched.servers if is_down(server)]
    alone = {
        server.pool_id
        for server in down
        if all(other in down for other in watched.servers if other.pool_id == server.pool_id)
    }
    for server in down:
        whom = (
            f"{counted(watched.homed.get(server.pool_id, 0), 'account')} of {server.pool} may "
            "be unable to register."
            if server.pool_id in alone
            else f"The other servers of {server.pool} still do."
        )
        yield Condition(
            "server-down", Severity.CRITICAL, f"{server.name} does not answer.",
            f"{whom} {_sentence(server.health_problem)}", "server", server.pk, server.down_since,
        )  # fmt: skip
    for server in watched.servers:
        if server.enabled and server.health == SipServer.Health.REFUSED:
            yield Condition(
                "server-refuses", Severity.CRITICAL, f"{server.name} does not let the console in.",
                "Calls and registrations go on; what needs a reload there waits, and nobody's "
                f"registration can be ended. {_sentence(server.health_problem)}",
                "server", server.pk, server.down_since,
            )  # fmt: skip
    for server in watched.servers:
        if server.enabled and server.reload_problem and server.reload_pending:
            kinds = ", ".join(Kind(each).plural for each in server.reload_pending)
            yield Condition(
                "reload-refused", Severity.CRITICAL, f"{server.name} refuses to reload.",
                f"What was written is in its store and has no effect at this server: {kinds}. "
                f"{_sentence(server.reload_problem)} Its log says why; it is asked again and "
                "again.", "server", server.pk,
            )  # fmt: skip


def _of_certificates(watched: Watched) -> Iterator[Condition]:
    for server in watched.servers:
        if server.enabled and (said := concern(server)):
            yield Condition(
                "certificate", Severity.WARNING, f"Certificate of {server.name}.", said,
                "server", server.pk,
            )  # fmt: skip


def _of_probes(watched: Watched) -> Iterator[Condition]:
    servers = {server.pk: server for server in watched.servers if server.enabled}
    for pk, wrong in watched.ineffective.items():
        if pk not in servers:
            continue
        first, others = wrong[0], len(wrong) - 1
        more = f" {others} more {'is' if others == 1 else 'are'} on its page." if others else ""
        yield Condition(
            "not-effective", Severity.CRITICAL, f"{servers[pk].name} does not do as intended.",
            f"{_capital(Kind(first.kind).plural)}: {first.told}{more}", "server", pk, first.at,
        )  # fmt: skip


def _of_registrations(watched: Watched) -> Iterator[Condition]:
    for server in watched.servers:
        usual, count = watched.usual.get(server.pk, 0.0), server.registration_count
        if not server.enabled or count is None or usual < _FEWEST or count >= usual * _DROPPED:
            continue
        yield Condition(
            "registrations-dropped", Severity.WARNING,
            f"{server.name} has {counted(count, 'registration')}; an hour ago it had {usual:,.0f}.",
            "Clients may have moved to another server, or cannot reach this one.",
            "server", server.pk,
        )  # fmt: skip


def _of_stores(watched: Watched) -> Iterator[Condition]:
    for store in watched.stores:
        waiting = waiting_at([store])
        dead = store.dead_count  # type: ignore[attr-defined]
        if store.problem:
            text = f"{_sentence(store.problem)} {_until_it_works(waiting)}"
            yield _store(store, "store-unwritable", f"{store.name} cannot be written.", text)
        if dead:
            title = f"{store.name} did not take {dead:,} change{'s' if dead != 1 else ''}."
            text = "The console gave up after several attempts; everything else went on."
            yield _store(store, "changes-given-up", title, text)
        if store.drift_count:
            what = "row differs" if store.drift_count == 1 else "rows differ"
            yield Condition(
                "drift", Severity.WARNING, f"{store.name}: {store.drift_count:,} {what}.",
                "Somebody else changed what the console had written there.",
                "store-drift", store.pk,
            )  # fmt: skip


def _store(store: ConfigStore, kind: str, title: str, text: str) -> Condition:
    return Condition(kind, Severity.CRITICAL, title, text, "store", store.pk)


def _of_lists(watched: Watched) -> Iterator[Condition]:
    """A list that is kept elsewhere is no alert; one that could be read before is."""
    used = {server.store_id for server in watched.servers if server.enabled}
    old = timezone.now() - timedelta(seconds=5 * settings.REGISTRATIONS_EVERY)
    for each in watched.lists:
        if each.store_id in used and each.read_at is not None and each.read_at < old:
            yield Condition(
                "registrations-unread", Severity.WARNING,
                f"The registrations of {each.store} cannot be read.",
                f"{_sentence(each.problem)} The list is as it was read last.",
                "store", each.store_id, each.read_at,
            )  # fmt: skip


def _of_rollouts(watched: Watched) -> Iterator[Condition]:
    for rollout in watched.rollouts:
        named = f"{rollout} of {rollout.pool}"
        if rollout.state in (Rollout.State.ROLLED_BACK, Rollout.State.ROLLING_BACK):
            over = rollout.state == Rollout.State.ROLLED_BACK
            title = f"{named} {'was' if over else 'is being'} rolled back."
            what = rollout.problem if over else rollout.waits or rollout.problem
            yield Condition(
                "rollout-rolled-back", Severity.CRITICAL, title,
                f"{what} Start it again or give it up; later ones wait for that.",
                "rollout", rollout.pk, rollout.ended_at,
            )  # fmt: skip
        else:
            paused = rollout.state == Rollout.State.PAUSED
            text = rollout.waits if paused else "Somebody who changed nothing of it approves it"
            yield Condition(
                "rollout-waits", Severity.DECISION,
                f"{named} {'is paused' if paused else 'waits for an approval'}", text,
                "rollout", rollout.pk, rollout.created_at,
            )  # fmt: skip


def _of_sources(watched: Watched) -> Iterator[Condition]:
    for source in watched.sources:
        if source.newest_state == Run.State.FAILED:  # type: ignore[attr-defined]
            yield Condition(
                "sync-failed", Severity.CRITICAL, f"{source.name} could not be read.",
                _sentence(source.newest_problem),  # type: ignore[attr-defined]
                "source", source.pk, source.newest_at,  # type: ignore[attr-defined]
            )  # fmt: skip
        elif source.groups_stale_since is not None:
            yield Condition(
                "groups-stale", Severity.WARNING, f"The groups of {source.name} are out of date.",
                "They could not be read, so the last complete ones stay in force.",
                "source", source.pk, source.groups_stale_since,
            )  # fmt: skip
        elif is_late(source):
            yield Condition(
                "sync-late", Severity.WARNING, f"{source.name} is late.",
                "It was not read for three of its intervals. Is a worker running?",
                "source", source.pk, read_last(source),
            )  # fmt: skip


def _of_links(watched: Watched) -> Iterator[Condition]:
    refused = watched.refused
    many = [(network, count) for network, count in refused.networks if count >= _REFUSED_OF_ONE]
    if not many and refused.total < _REFUSED_OF_ALL:
        return
    named = ", ".join(f"{network} ({count:,})" for network, count in many[:_NAMED])
    more = f" and {len(many) - _NAMED:,} more" if len(many) > _NAMED else ""
    whence = f"Most from {named}{more}." if many else f"From {len(refused.networks):,} networks."
    yield Condition(
        "links-tried", Severity.WARNING,
        f"{refused.total:,} provisioning links were asked for in vain within 15 minutes.",
        f"{whence} Nobody got a document by it. A client with an old link does this too: give it "
        "another one. Stop whom you do not know at the proxy or the firewall.",
        "refused-links", since=refused.since,
    )  # fmt: skip


def _of_channels(watched: Watched) -> Iterator[Condition]:
    for channel in watched.channels:
        yield Condition(
            "channel-failing", Severity.WARNING, f"Alerts do not arrive at {channel.name}.",
            _sentence(channel.problem), "alert-channel", channel.pk,
        )  # fmt: skip


def _of_runs(watched: Watched) -> Iterator[Condition]:
    for run in watched.runs:
        passed = len(run.breaches)
        yield Condition(
            "run-held", Severity.DECISION,
            f"{run.source}: {str(run).lower()}" if run.source else str(run),
            f"{passed} limit{'s' if passed != 1 else ''} passed; what passes them waits for you",
            "run", run.pk, run.created_at,
        )  # fmt: skip


def _of_people(watched: Watched) -> Iterator[Condition]:
    count = watched.conflicts
    if count:
        yield Condition(
            "conflicts", Severity.DECISION,
            "One person has a conflict" if count == 1 else f"{count:,} people have conflicts",
            "A SIP URI or number is taken, or a value cannot be used", "conflicts",
        )  # fmt: skip


def _until_it_works(waiting: Waiting) -> str:
    if waiting.compared:
        more = f" {waiting.single:,} single changes wait as well;" if waiting.single else ""
        return f"Everything is compared as soon as it works;{more} none is lost."
    count = waiting.single
    changes = "One change waits" if count == 1 else f"{count:,} changes wait"
    return f"{changes} until it works; none is lost."


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _sentence(text: str) -> str:
    """The first line of what was reported, as a sentence."""
    line = text.strip().partition("\n")[0].strip()
    return line if not line or line[-1] in ".!?…" else f"{line}."
