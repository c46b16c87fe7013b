"""Probes by calls and messages: where numbers lead, who may call what, how much may be written.

No call of these reaches a telephone: it goes to the probe itself, to an account that is blocked, or
to a number that is nobody's through a gateway that does not exist.
"""

from __future__ import annotations

from provisioning.drivers.sip.agent import UserAgent
from provisioning.drivers.sip.message import Response
from provisioning.models import TrustedHost
from provisioning.services.probes.facts import DomainProbe, Facts
from provisioning.services.probes.verdict import Outcome, Verdict, judge, untried
from provisioning.services.routing.probe_routes import ALLOWED_NUMBER, REFUSED_NUMBER, dialled

_NOWHERE = "rtcadmin-probe.invalid"
_NOBODY = "rtcadmin-nobody"
_REFUSED = 403
_NOT_FOUND = 404
# What only the pool says that has the account: no telephone is there, or another probe's.
_KNOWN = (180, 480, 486)
# RFC 3428, section 7: nothing is known of what becomes of it.
_TAKEN_OVER = 202
_TOO_LARGE = (413, 513)
# Sent over UDP it would be cut (RFC 3261, 18.1.1).
_LARGEST_DATAGRAM = 1200
_TREATMENT = TrustedHost.Treatment


def probe_number(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """A call to the probe's number rings the probe itself."""
    facts.check_accepted(phone.local_host)
    if not probe.number:
        return untried("The probe account has no number. Set it up again.")
    answer, rang = ring(probe, phone, f"sip:{probe.number}@{probe.domain}")
    return judge(
        answer,
        good=rang,
        sent=f"INVITE to {probe.number}, the probe's own number",
        expected="it rings here",
    )


def probe_dial_rule(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """The probe's number, dialled as callers of its site do, rings the probe itself."""
    facts.check_asked(phone.local_host)
    if not probe.number:
        return untried("The probe account has no number. Set it up again.")
    number = dialled(probe.number)
    answer, rang = ring(probe, phone, f"sip:{number}@{probe.domain}")
    return judge(
        answer,
        good=rang,
        sent=f"INVITE to {number}, as {probe.number} is dialled at the probe's site",
        expected="it rings here",
    )


def probe_route(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """A call to a number that is nobody's leaves for its gateway, which does not exist."""
    facts.check_asked(phone.local_host)
    if _left(nobody := _call(probe, phone, _NOBODY)):
        return untried(f"It answers {nobody.words} to calls that have nowhere to go.")
    answer = _call(probe, phone, ALLOWED_NUMBER)
    return judge(
        answer,
        good=_left(answer),
        sent=f"INVITE to {ALLOWED_NUMBER}, whose gateway does not exist",
        expected="408 or 5xx, because the call left for it",
    )


def probe_classes(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """A call that the probe account may not make is refused, and one that it may is not."""
    facts.check_asked(phone.local_host)
    answer = _call(probe, phone, REFUSED_NUMBER)
    sent = f"INVITE to {REFUSED_NUMBER}, a premium number that the probe account may not call"
    if answer.status != _REFUSED:
        return judge(answer, good=False, sent=sent, expected=str(_REFUSED))
    allowed = _call(probe, phone, ALLOWED_NUMBER)
    if not _left(allowed):
        return untried(f"Calls that are allowed are refused as well: {allowed.words}.")
    return judge(answer, good=True, sent=sent, expected=str(_REFUSED))


def probe_stranger(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """Who calls without a password is refused, unless this very address is trusted."""
    treatment = facts.trusts(phone.local_host)
    answer, rang = ring(probe, phone, probe.login.uri, signs_in=False)
    sent = f"INVITE without a password from {phone.local_host}"
    if treatment in (_TREATMENT.INBOUND, _TREATMENT.AUTHENTICATED):
        return judge(answer, good=rang, sent=f"{sent}, which is trusted", expected="it rings here")
    if treatment:
        good = answer.status == _REFUSED
        return judge(answer, good=good, sent=sent, expected=str(_REFUSED))
    if not (answer.challenges or answer.status == _REFUSED):
        return judge(answer, good=False, sent=sent, expected="401, 407 or 403")
    return untried(
        "A call without a password is refused here, as it must be. What a call from a trusted "
        "address may do only shows from there."
    )


def probe_pools(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """The probe account of each other pool is known there, whether a telephone is there or not."""
    facts.check_accepted(phone.local_host)
    if not facts.elsewhere:
        return untried("No other pool that answers has a probe account. Set them up there.")
    nobody = _call(probe, phone, _NOBODY)
    if nobody.status != _NOT_FOUND:
        return untried(f"It answers {nobody.words} to calls for nobody.")
    for pool, uri in facts.elsewhere.items():
        answer = phone.invite(probe.login, uri)
        if answer.status == _NOT_FOUND:
            # A pool that was slow has been left out; a second time its next server is asked.
            answer = phone.invite(probe.login, uri)
        verdict = judge(
            answer,
            good=answer.status in _KNOWN,
            sent=f"INVITE to nobody, and to {uri}, a probe account of “{pool}”",
            expected="404, and 480 from there, where no telephone of it is",
        )
        if verdict.outcome is not Outcome.EFFECTIVE:
            break
    return verdict


def probe_messaging(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """A message to an account that may have none is refused."""
    facts.check_accepted(phone.local_host)
    if probe.blocked is None:
        return untried("There is no probe account without messages. Set the accounts up again.")
    answer = phone.message(probe.login, probe.blocked.uri, "probe")
    if answer.status == _TAKEN_OVER:
        return untried(f"It answers {answer.words} to every message, delivered or not.")
    return judge(
        answer,
        good=answer.status == _REFUSED,
        sent="MESSAGE to an account that may have none",
        expected=str(_REFUSED),
    )


def probe_message_bytes(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """A message that is one byte too large is refused."""
    most = facts.settings["message_bytes"]
    if not isinstance(most, int) or most == 0:
        return untried("There is no limit that could be passed.")
    if phone.transport == "udp" and most > _LARGEST_DATAGRAM:
        return untried("Over UDP, which the server has alone, such a message would be cut.")
    answer = phone.message(probe.login, probe.login.uri, "x" * (most + 1))
    return judge(
        answer,
        good=answer.status in _TOO_LARGE,
        sent=f"MESSAGE of {most + 1} bytes",
        expected="513 or 413",
    )


def probe_federation(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """Without federation a message to another SIP domain, which does not exist, is refused."""
    if facts.settings["federation_enabled"]:
        return untried("It is on: a message would leave for another SIP domain.")
    answer = phone.message(probe.login, f"sip:probe@{_NOWHERE}", "probe")
    return judge(
        answer,
        good=answer.status == _REFUSED,
        sent=f"MESSAGE to {_NOWHERE}",
        expected=str(_REFUSED),
    )


def ring(
    probe: DomainProbe, phone: UserAgent, uri: str, *, signs_in: bool = True
) -> tuple[Response, bool]:
    """Call, and whether that reached the probe's own telephone."""
    before = len(phone.rung)
    answer = phone.invite(probe.login, uri, signs_in=signs_in)
    return answer, any(request.method == "INVITE" for request in phone.rung[before:])


def _call(probe: DomainProbe, phone: UserAgent, user: str) -> Response:
    return phone.invite(probe.login, f"sip:{user}@{probe.domain}")


def _left(answer: Response) -> bool:
    """Whether a server looked for the gateway, where nobody is or the console is busy, and has not
    merely no time."""
    if answer.first("retry-after"):
        return False
    return answer.status in (408, 486) or 477 <= answer.status <= 478 or 500 <= answer.status < 600
