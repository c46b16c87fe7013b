"""The gate after each stage: how its servers were before, how they are now, what that means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings

from provisioning.core.errors import ProvisioningError
from provisioning.core.records import Listener, ServerHealth
from provisioning.drivers.base import ServerDriver
from provisioning.drivers.sip.agent import UserAgent
from provisioning.models import ServerPool, SipServer
from provisioning.services.servers import targets
from provisioning.services.servers.driver_access import ask_servers

_THREADS = 16
# Fewer clients that left are no sign of anything: somebody switched telephones off.
_FEWEST = 5
# From here on the server cannot do its work, whatever it thinks of the question.
_FAILING = 500


@dataclass(frozen=True, slots=True)
class Seen:
    """How a server is: the ports at which OPTIONS is answered, those at which not and why.

    `registrations` is None where the server did not say; `problem` is why its control did not
    answer, empty where it did.
    """

    name: str
    answered: Sequence[str]
    silent: Mapping[str, str]
    registrations: int | None
    problem: str

    def as_json(self) -> dict[str, Any]:
        """As a stage keeps it."""
        return asdict(self)

    @property
    def is_well(self) -> bool:
        """Whether it is fit to begin with: some port answers, and so does its control."""
        return bool(self.answered) and not self.problem


def look(servers: Sequence[SipServer]) -> dict[str, Seen]:
    """Ask all of `servers` at the same time, by id; a failure is an answer, never an exception."""
    healths = ask_servers(servers, [_health for _ in servers])
    places = [(server, listener) for server in servers for listener in server.listeners()]
    with ThreadPoolExecutor(_THREADS) as threads:
        answers = list(threads.map(_options, [listener for _, listener in places]))
    found: dict[str, Seen] = {}
    for server, health in zip(servers, healths, strict=True):
        mine = {
            f"{listener.transport.upper()} {listener.port}": answer
            for (each, listener), answer in zip(places, answers, strict=True)
            if each is server
        }
        found[str(server.pk)] = Seen(
            name=server.name,
            answered=[port for port, problem in mine.items() if not problem],
            silent={port: problem for port, problem in mine.items() if problem},
            registrations=None if isinstance(health, ProvisioningError) else health.registrations,
            problem=health.message if isinstance(health, ProvisioningError) else "",
        )
    return found


def unfit(seen: Mapping[str, Seen]) -> str:
    """Why a stage cannot begin: a server that is not well already; empty where all are."""
    for each in seen.values():
        if each.problem:
            return f"{each.name} does not answer: {each.problem}"
        if not each.answered:
            return f"{each.name} answers OPTIONS at none of its SIP ports."
    return ""


def judge(pool: ServerPool, before: Mapping[str, Seen], now: Mapping[str, Seen]) -> str:
    """What a server does not do any more that it did before; empty where nothing is missing."""
    for key, then in before.items():
        found = now.get(key)
        if found is None:
            continue
        for port in then.answered:
            if port not in found.answered:
                why = found.silent.get(port, "The port is not in use any more.")
                return f"{then.name} does not answer OPTIONS at {port} any more. {why}"
        if found.problem:
            return f"{then.name} does not answer any more: {found.problem}"
        if said := _dropped(pool, then, found):
            return said
    return ""


def refused_too_many(pool: ServerPool, *, failed: int, total: int) -> str:
    """Whether stores refused more of a stage than the pool bears; empty where not."""
    if not failed or failed * 100 <= pool.most_failed_percent * max(total, 1):
        return ""
    most = pool.most_failed_percent
    return f"{failed:,} of {total:,} changes were refused; at most {most} % may be."


def _dropped(pool: ServerPool, then: Seen, now: Seen) -> str:
    if then.registrations is None or now.registrations is None:
        return ""
    lost = then.registrations - now.registrations
    if lost < _FEWEST or lost * 100 <= pool.most_lost_percent * then.registrations:
        return ""
    return (
        f"{then.name} lost {lost:,} of {then.registrations:,} registrations; at most "
        f"{pool.most_lost_percent} % may be."
    )


def _health(driver: ServerDriver) -> ServerHealth:
    return driver.health()


def _options(listener: Listener) -> str:
    """Why there is no answer at a port, empty where there is; asks no database of the console's."""
    where = f"{listener.host}:{listener.port}"
    try:
        addresses = targets.check_target(
            host=listener.host, port=listener.port, what="The SIP host"
        )
        agent = UserAgent(listener, addresses=addresses, timeout=settings.SERVER_CONNECT_TIMEOUT)
        with agent:
            answer = agent.options(f"sip:{where}")
    except ProvisioningError as error:
        return error.message
    return "" if answer.status < _FAILING else f"{where} answers {answer.words}."
