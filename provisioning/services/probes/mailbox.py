"""The probe of voicemail: of an account whose mailbox is the console itself, while it listens."""

from __future__ import annotations

from provisioning.drivers.sip.agent import UserAgent
from provisioning.drivers.sip.digest import Login
from provisioning.drivers.sip.message import parameter
from provisioning.drivers.sip.next_hop import NextHop
from provisioning.services.probes.facts import DomainProbe, Facts
from provisioning.services.probes.verdict import Outcome, Verdict, arrived, judge, untried

# Why a call comes to a mailbox (RFC 4458): no telephone, a busy one, and its owner who listens.
_ABSENT, _BUSY, _OWNER = "503", "486", ""


def probe_mailbox(hop: NextHop, facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """Calls that nobody takes arrive at the mailbox, and so does who asks for waiting messages."""
    facts.check_asked(phone.local_host)
    mailbox = probe.mailbox
    if mailbox is None:
        return untried("There is no probe account with voicemail. Set the accounts up again.")
    phone.unregister_all(mailbox)
    try:
        for caller, cause in ((probe.login, _ABSENT), (probe.login, _BUSY), (mailbox, _OWNER)):
            if cause == _BUSY:
                phone.register(mailbox, device="mailbox", expires=None)
            verdict = _call(hop, phone, caller, mailbox, cause)
            if verdict.outcome is not Outcome.EFFECTIVE:
                return verdict
        return _ask(hop, phone, mailbox)
    finally:
        phone.unregister_all(mailbox)


def _call(hop: NextHop, phone: UserAgent, caller: Login, mailbox: Login, cause: str) -> Verdict:
    before = len(hop.rung)
    answer = phone.invite(caller, mailbox.uri)
    calls = [each for each in hop.rung[before:] if each.method == "INVITE"]
    causes = [(each.user, parameter(each.uri, "cause")) for each in calls]
    who = {
        _ABSENT: "INVITE to an account with voicemail that is not registered",
        _BUSY: "INVITE to an account with voicemail whose telephone is busy",
        _OWNER: "INVITE of an account with voicemail to itself",
    }
    return judge(
        answer,
        good=causes == [(mailbox.user, cause)],
        sent=who[cause],
        expected=f"it arrives at the mailbox, {f'with cause={cause}' if cause else 'its own'}",
        seen=arrived(calls),
    )


def _ask(hop: NextHop, phone: UserAgent, mailbox: Login) -> Verdict:
    before = len(hop.rung)
    answer, told = phone.subscribe(mailbox, "message-summary")
    arrived = any(
        each.method == "SUBSCRIBE" and each.user == mailbox.user for each in hop.rung[before:]
    )
    return judge(
        answer,
        good=arrived and told,
        sent="INVITE to an account with voicemail that is not registered, that is busy, that calls "
        "itself; SUBSCRIBE for its waiting messages",
        expected="all arrive at the mailbox, whose NOTIFY comes back",
    )
