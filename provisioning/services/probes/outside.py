"""Probes by calls that leave for the console itself: through its gateway, to a group address.

Where the console takes no calls, a call to a gateway that does not exist has to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from provisioning.core.errors import Rejected
from provisioning.core.settings.account_settings import PRESENTED_NUMBER
from provisioning.drivers.base import Kind
from provisioning.drivers.sip.agent import UserAgent
from provisioning.drivers.sip.digest import Login
from provisioning.drivers.sip.message import Request, Response, uri_of
from provisioning.drivers.sip.next_hop import NextHop
from provisioning.services.probes import calling
from provisioning.services.probes.facts import DomainProbe, Facts, Probe
from provisioning.services.probes.mailbox import probe_mailbox
from provisioning.services.probes.verdict import Outcome, Verdict, arrived, judge, untried
from provisioning.services.routing.probe_routes import (
    GROUP_NUMBER,
    GROUP_USER,
    any_allowed_number,
    any_asserted_number,
    any_other_number,
    as_sent,
)

NO_GATEWAY = (
    "Only what arrives there would prove it, and it would ring. With RTCADMIN_PROBE_GATEWAY the "
    "console takes such calls itself."
)
# Seconds for which a probe of another server may have the port.
_PATIENCE = 20.0
# Servers pass a gateway over until it answers OPTIONS, which they send every 10 or 15 seconds.
_ASKED_WITHIN = 16.0
_UNAVAILABLE = 503
_NUMBERLESS = "The probe accounts lack a number, or one that withholds it. Set them up again."


@dataclass(frozen=True, slots=True)
class Outside:
    """What shows only beyond a server: the probe of each kind and setting, or why there is none."""

    of_kinds: Mapping[Kind, Probe | str]
    of_preferences: Mapping[str, Probe | str]


def probe_gateway(hop: NextHop, facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """A call arrives at the gateway, with the number as that wants it."""
    facts.check_asked(phone.local_host)
    answer, number, calls = _call(hop, probe.login, phone)
    return judge(
        answer,
        good=any(each.user == as_sent(number) for each in calls),
        sent=f"INVITE to {number}, whose gateway is the console",
        expected=f"it arrives there as {as_sent(number)}",
        seen=arrived(calls),
    )


def probe_group_address(
    hop: NextHop, facts: Facts, probe: DomainProbe, phone: UserAgent
) -> Verdict:
    """A call to the probes' group address arrives where it leads to, with who calls."""
    facts.check_asked(phone.local_host)
    before = len(hop.rung)
    answer = phone.invite(probe.login, f"sip:{GROUP_NUMBER}@{probe.domain}")
    calls = hop.rung[before:]
    told = [(each.user, _address(each.first("p-asserted-identity"))) for each in calls]
    return judge(
        answer,
        good=told == [(GROUP_USER, probe.login.uri)],
        sent=f"INVITE to {GROUP_NUMBER}, a group address that leads to the console",
        expected=f"it arrives there for {GROUP_USER}, with {probe.login.user} as who calls",
        seen=arrived(calls),
    )


def probe_presented(hop: NextHop, facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """The gateway is shown the number of the probe, and nothing of whoever withholds it."""
    facts.check_asked(phone.local_host)
    if probe.away is None or not probe.number:
        return untried(_NUMBERLESS)
    sent = f"INVITE through the console's gateway by the account with {probe.number}"
    answer, _, calls = _call(hop, probe.login, phone)
    if not calls:
        return _lost(answer)
    if not _shows(calls[-1], probe.number):
        expected = f"P-Asserted-Identity and From of {probe.number}"
        return Verdict(Outcome.INEFFECTIVE, _told(calls[-1]), sent, expected)
    answer, _, calls = _call(hop, probe.away, phone)
    if not calls:
        return _lost(answer)
    unknown = probe.away.user not in calls[-1].first("from")
    private = "id" in calls[-1].first("privacy").split(";")
    return Verdict(
        Outcome.EFFECTIVE if unknown and private else Outcome.INEFFECTIVE,
        _told(calls[-1]),
        f"{sent}, then by one that withholds its own",
        "the number, then Privacy: id and a From that says nothing",
    )


def probe_asserted(hop: NextHop, facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """The gateway is shown a number that the probe may assert, and no other that it prefers."""
    facts.check_asked(phone.local_host)
    if not probe.number:
        return untried(_NUMBERLESS)
    may, may_not = any_asserted_number(), any_other_number()
    sent = "INVITE through the console's gateway with P-Preferred-Identity"
    for prefers, shown in ((may, may), (may_not, probe.number)):
        answer, _, calls = _call(hop, probe.login, phone, prefers=prefers)
        if not calls:
            return _lost(answer)
        if not _shows(calls[-1], shown):
            expected = f"P-Asserted-Identity and From of {shown}"
            return Verdict(Outcome.INEFFECTIVE, _told(calls[-1]), f"{sent} of {prefers}", expected)
    return Verdict(
        Outcome.EFFECTIVE,
        _told(calls[-1]),
        f"{sent} of {may}, which it may assert, then of {may_not}",
        f"{may} in P-Asserted-Identity and From, then its own {probe.number}",
    )


_Ask = Callable[[NextHop, Facts, DomainProbe, UserAgent], Verdict]
_OF_KINDS: Mapping[Kind, _Ask] = MappingProxyType(
    {
        Kind.GATEWAY: probe_gateway,
        Kind.ROUTE: probe_gateway,
        Kind.GROUP_ADDRESS: probe_group_address,
    }
)
_OF_PREFERENCES: Mapping[str, _Ask] = MappingProxyType(
    {
        "asserted_numbers": probe_asserted,
        PRESENTED_NUMBER: probe_presented,
        "voicemail": probe_mailbox,
        "voicemail_server": probe_mailbox,
    }
)


@contextmanager
def opened(facts: Facts) -> Iterator[Outside]:
    """The probes by calls to the console itself, which takes them meanwhile."""
    if facts.gateway is None:
        yield _none(NO_GATEWAY)
        return
    try:
        hop = NextHop(*facts.gateway, patience=_PATIENCE)
    except Rejected as error:
        yield _none(error.message)
        return
    with hop:
        asks = {ask: partial(ask, hop) for ask in (*_OF_KINDS.values(), *_OF_PREFERENCES.values())}
        yield Outside(
            {kind: asks[ask] for kind, ask in _OF_KINDS.items()},
            {key: asks[ask] for key, ask in _OF_PREFERENCES.items()},
        )


def _none(why: str) -> Outside:
    of_kinds: dict[Kind, Probe | str] = dict.fromkeys(_OF_KINDS, why)
    return Outside(
        of_kinds | {Kind.ROUTE: calling.probe_route}, dict.fromkeys(_OF_PREFERENCES, why)
    )


def _call(
    hop: NextHop, caller: Login, phone: UserAgent, *, prefers: str = ""
) -> tuple[Response, str, list[Request]]:
    """Call a number by the route of probes: the answer, the number, what arrived of it."""
    began = time.monotonic()
    while True:
        number = any_allowed_number()
        answer = phone.invite(caller, f"sip:{number}@{caller.domain}", prefers=prefers)
        called = number.removeprefix("+")
        calls = [e for e in hop.rung if e.method == "INVITE" and e.user.endswith(called)]
        waited = time.monotonic() - began
        if calls or answer.status != _UNAVAILABLE or waited > _ASKED_WITHIN:
            return answer, number, calls
        time.sleep(0.5)


def _lost(answer: Response) -> Verdict:
    return untried(f"No call arrives at the console's gateway: {answer.words}.")


def _shows(call: Request, number: str) -> bool:
    """Whether a gateway is told this number, wherever it looks for it."""
    shown = [_address(call.first(name)) for name in ("p-asserted-identity", "from")]
    return all(each.startswith(f"sip:{number}@") for each in shown)


def _told(call: Request) -> str:
    told = {name: _address(call.first(name.lower())) for name in ("From", "P-Asserted-Identity")}
    told["Privacy"] = call.first("privacy")
    return "; ".join(f"{name}: {value or 'none'}" for name, value in told.items())


def _address(sender: str) -> str:
    """The URI of a From, whose display name may hold anything."""
    return uri_of(sender[max(sender.find("<"), 0) :])
