"""Probes by calls that leave through a gateway which is the console itself, and what it is told.

Where the console has none, a call to a gateway that does not exist has to do.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from provisioning.core.errors import Rejected
from provisioning.drivers.sip.agent import UserAgent
from provisioning.drivers.sip.digest import Login
from provisioning.drivers.sip.message import Request, Response, uri_of
from provisioning.drivers.sip.next_hop import NextHop
from provisioning.services.probes import calling
from provisioning.services.probes.facts import DomainProbe, Facts
from provisioning.services.probes.verdict import Outcome, Verdict, judge, untried
from provisioning.services.routing.probe_routes import any_allowed_number, as_sent

NO_GATEWAY = (
    "Only what arrives there would prove it, and it would ring. With RTCADMIN_PROBE_GATEWAY the "
    "console takes such calls itself."
)
# Seconds for which a probe of another server may have the port.
_PATIENCE = 20.0
# Servers pass a gateway over until it answers OPTIONS, which they send every 10 or 15 seconds.
_ASKED_WITHIN = 16.0
_UNAVAILABLE = 503


class Outside:
    """The probes of one server; `hop` is the far end of their gateway, or `why` there is none."""

    def __init__(self, hop: NextHop | None, why: str) -> None:
        self._hop, self._why = hop, why

    def route(self, facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
        """A call by the route of probes arrives at its gateway, or fails there."""
        if self._hop is None:
            return calling.probe_route(facts, probe, phone)
        return self.gateway(facts, probe, phone)

    def gateway(self, facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
        """A call arrives at the gateway, with the number as that wants it."""
        if self._hop is None:
            return untried(self._why)
        facts.check_asked(phone.local_host)
        answer, number, calls = _call(self._hop, probe.login, phone)
        return judge(
            answer,
            good=any(each.user == as_sent(number) for each in calls),
            sent=f"INVITE to {number}, whose gateway is the console",
            expected=f"it arrives there as {as_sent(number)}",
        )

    def presented(self, facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
        """The gateway is shown the number of the probe, and nothing of whoever withholds it."""
        if self._hop is None:
            return untried(self._why)
        facts.check_asked(phone.local_host)
        if probe.away is None or not probe.number:
            return untried("No probe account withholds its number. Set the accounts up again.")
        sent = f"INVITE through the console's gateway by the account with {probe.number}"
        answer, _, calls = _call(self._hop, probe.login, phone)
        if not calls:
            return untried(f"No call arrives at the console's gateway: {answer.words}.")
        shown = [calls[-1].first(name) for name in ("p-asserted-identity", "from")]
        if not all(_address(each).startswith(f"sip:{probe.number}@") for each in shown):
            expected = f"P-Asserted-Identity and From of {probe.number}"
            return Verdict(Outcome.INEFFECTIVE, _told(calls[-1]), sent, expected)
        answer, _, calls = _call(self._hop, probe.away, phone)
        if not calls:
            return untried(f"Of who withholds its number no call arrives: {answer.words}.")
        unknown = probe.away.user not in calls[-1].first("from")
        private = "id" in calls[-1].first("privacy").split(";")
        return Verdict(
            Outcome.EFFECTIVE if unknown and private else Outcome.INEFFECTIVE,
            _told(calls[-1]),
            f"{sent}, then by one that withholds its own",
            "the number, then Privacy: id and a From that says nothing",
        )


@contextmanager
def opened(facts: Facts) -> Iterator[Outside]:
    """The probes through the console's own gateway, which is open meanwhile."""
    if facts.gateway is None:
        yield Outside(None, NO_GATEWAY)
        return
    try:
        hop = NextHop(*facts.gateway, patience=_PATIENCE)
    except Rejected as error:
        yield Outside(None, error.message)
        return
    with hop:
        yield Outside(hop, "")


def _call(hop: NextHop, caller: Login, phone: UserAgent) -> tuple[Response, str, list[Request]]:
    """Call a number by the route of probes: the answer, the number, what arrived of it."""
    began = time.monotonic()
    while True:
        number = any_allowed_number()
        answer = phone.invite(caller, f"sip:{number}@{caller.domain}")
        calls = hop.calls(number.removeprefix("+"))
        waited = time.monotonic() - began
        if calls or answer.status != _UNAVAILABLE or waited > _ASKED_WITHIN:
            return answer, number, calls
        time.sleep(1)


def _told(call: Request) -> str:
    names = ("From", "P-Asserted-Identity", "Privacy")
    return "; ".join(f"{name}: {call.first(name.lower()) or 'none'}" for name in names)


def _address(sender: str) -> str:
    """The URI of a From, whose display name may hold anything."""
    return uri_of(sender[max(sender.find("<"), 0) :])
