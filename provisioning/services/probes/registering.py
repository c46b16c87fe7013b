"""Probes by REGISTER: who is let in, for how long, with how many devices, at which SIP domains."""

from __future__ import annotations

import secrets
from dataclasses import replace

from provisioning.drivers.sip.agent import UserAgent
from provisioning.services.probes.facts import DomainProbe, Facts
from provisioning.services.probes.verdict import Verdict, judge, untried

# Served by nobody (RFC 2606).
_NOWHERE = "rtcadmin-probe.invalid"
_TOO_BRIEF = 423
# Seconds that may have passed until the answer came.
_ELAPSED = 2


def probe_domain(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """A REGISTER for the SIP domain is asked for a password; one for another domain is refused."""
    if probe.domain not in facts.domains:
        return untried("Its row is not at the store.")
    served = phone.register(probe.login, signs_in=False)
    if not (served.challenges or served.accepted):
        return judge(
            served, good=False, sent=f"REGISTER for {probe.domain}", expected="401, for a password"
        )
    elsewhere = replace(probe.login, domain=_NOWHERE)
    foreign = phone.register(elsewhere, signs_in=False)
    return judge(
        foreign,
        good=not (foreign.challenges or foreign.accepted),
        sent=f"REGISTER for {probe.domain}, then for {_NOWHERE}",
        expected="401, then a refusal",
    )


def probe_subscriber(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """The right password registers; a wrong one does not, nor does a blocked account.

    Leaves the telephone registered.
    """
    del facts
    wrong = phone.register(replace(probe.login, password=secrets.token_hex(16)))
    if wrong.accepted:
        return judge(
            wrong, good=False, sent="REGISTER with a wrong password", expected="401 or 403"
        )
    if probe.blocked is not None:
        refused = phone.register(probe.blocked)
        if refused.accepted:
            phone.unregister_all(probe.blocked)
            return judge(
                refused, good=False, sent="REGISTER of a blocked account, with its right password",
                expected="401 or 403",
            )  # fmt: skip
    phone.unregister_all(probe.login)
    right = phone.register(probe.login, expires=None)
    sent = "REGISTER with a wrong password, of a blocked account, with the right password"
    if probe.blocked is None:
        sent = "REGISTER with a wrong password, then with the right one"
    return judge(right, good=right.accepted, sent=sent, expected="refused, and 200 to the last")


def probe_devices(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """The probe account may have one device: a second one is refused."""
    del facts
    second = phone.register(probe.login, device="second", expires=None)
    if second.accepted:
        phone.register(probe.login, device="second", expires=0)
    return judge(
        second,
        good=second.status in (403, 503),
        sent="REGISTER of a second device, where one is allowed",
        expected="403 or 503",
    )


def probe_min_expires(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """A shorter registration is refused, or made longer."""
    least = _seconds(facts, "min_expires")
    if least < _ELAPSED + 2:
        return untried("No registration is noticeably shorter.")
    asked = least - _ELAPSED - 1
    answer = phone.register(probe.login, expires=asked)
    lasts = phone.lasts(answer) if answer.accepted else None
    return judge(
        answer,
        good=answer.status == _TOO_BRIEF or _is(lasts, least),
        sent=f"REGISTER for {asked} s",
        expected=f"{_TOO_BRIEF}, or 200 for {least} s",
    )


def probe_default_expires(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """Without a wish a registration lasts as long as the setting says."""
    return _lasting(facts, "default_expires", None, "REGISTER without a time", probe, phone)


def probe_max_expires(facts: Facts, probe: DomainProbe, phone: UserAgent) -> Verdict:
    """A longer registration is cut."""
    asked = _seconds(facts, "max_expires") + 3600
    return _lasting(facts, "max_expires", asked, f"REGISTER for {asked} s", probe, phone)


def _lasting(
    facts: Facts, key: str, asked: int | None, sent: str, probe: DomainProbe, phone: UserAgent
) -> Verdict:
    wanted = _seconds(facts, key)
    answer = phone.register(probe.login, expires=asked)
    lasts = phone.lasts(answer)
    verdict = judge(
        answer,
        good=answer.accepted and _is(lasts, wanted),
        sent=sent,
        expected=f"200, for {wanted} s",
    )
    if answer.accepted:
        return replace(verdict, got=f"{answer.words}, for {'?' if lasts is None else lasts} s")
    return verdict


def _is(lasts: int | None, wanted: int) -> bool:
    """Whether a registration lasts as it should; some servers tell what is left of it."""
    return lasts is not None and wanted - _ELAPSED <= lasts <= wanted


def _seconds(facts: Facts, key: str) -> int:
    value = facts.settings[key]
    return value if isinstance(value, int) else 0
