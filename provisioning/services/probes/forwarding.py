"""Probes by calls that go on: to accounts that do not take them, and from there to the probe.

All of them are probe accounts, and one telephone here stands for each: it is busy, rings, or is
not there.
"""

from __future__ import annotations

import time
from contextlib import nullcontext

from provisioning.core.errors import Rejected
from provisioning.drivers.sip.agent import UserAgent
from provisioning.drivers.sip.digest import Login
from provisioning.services.probes.accounts import RINGS_FOR
from provisioning.services.probes.calling import ring
from provisioning.services.probes.facts import DomainProbe, Facts
from provisioning.services.probes.verdict import Verdict, judge, untried

_AWAY = "away"


def probe_always(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """A call to the blocked account, all of whose calls are forwarded here, rings here."""
    facts.check_accepted(phone.local_host)
    blocked = _given(probe.blocked)
    answer, rang = ring(probe, phone, blocked.uri)
    return judge(
        answer,
        good=rang,
        sent="INVITE to an account that forwards all calls to the probe",
        expected="it rings here",
    )


def probe_unreachable(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """A call to an account none of whose telephones is registered rings here."""
    facts.check_accepted(phone.local_host)
    away = _given(probe.away)
    phone.unregister_all(away)
    answer, rang = ring(probe, phone, away.uri)
    return judge(
        answer,
        good=rang,
        sent="INVITE to an account without a registered telephone, which forwards to the probe",
        expected="it rings here",
    )


def probe_busy(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """A call that a telephone of the account answers 486 rings here next."""
    return _reach(facts, probe, phone, rings=False)


def probe_no_answer(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """A call that rings at a telephone of the account for long enough rings here next."""
    return _reach(facts, probe, phone, rings=True)


def _reach(facts: Facts, probe: DomainProbe, phone: UserAgent, *, rings: bool) -> Verdict:
    facts.check_accepted(phone.local_host)
    away = _given(probe.away)
    phone.unregister_all(away)
    there = phone.register(away, device=_AWAY, expires=None)
    if not there.accepted:
        return untried(f"The account that forwards could not register: {there.words}.")
    before, began = len(phone.rung), time.monotonic()
    try:
        with phone.ringing(_AWAY) if rings else nullcontext():
            answer = phone.invite(probe.login, away.uri, patience=RINGS_FOR)
    finally:
        phone.unregister_all(away)
    took = time.monotonic() - began
    called = [each.user == _AWAY for each in phone.rung[before:] if each.method == "INVITE"]
    waited = not rings or took > RINGS_FOR / 2
    does = f"rings, and which forwards after {RINGS_FOR} s" if rings else "is busy, and forwards"
    rang = ", then ".join("there" if there else "here" for there in called) or "nowhere"
    return judge(
        answer,
        good=called == [True, False] and waited,
        sent=f"INVITE to an account whose telephone {does} to the probe",
        expected="it rings there, then here",
        seen=f"it rang {rang}, for {took:.1f} s",
    )


def _given(account: Login | None) -> Login:
    """The account; raises Rejected where there is none."""
    if account is None:
        raise Rejected("There is no probe account that forwards. Set the accounts up again.")
    return account
