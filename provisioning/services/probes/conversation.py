"""One conversation with a SIP server: every probe of what stands there, and what it found."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType

from provisioning.core.errors import ProvisioningError, Rejected, Unreachable
from provisioning.core.records import Listener
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import Family
from provisioning.drivers.base import Kind
from provisioning.drivers.setting_rows import CALLER_SITE
from provisioning.drivers.sip.agent import UserAgent
from provisioning.services.probes import calling, forwarding, registering
from provisioning.services.probes.facts import DomainProbe, Facts, Probe
from provisioning.services.probes.outside import Outside, opened
from provisioning.services.probes.verdict import Finding, Outcome, Verdict, untried
from provisioning.services.servers import targets

# In this order: the second leaves the telephone registered for the third.
_OF_DOMAINS: Mapping[Kind, Probe] = MappingProxyType(
    {
        Kind.SIP_DOMAIN: registering.probe_domain,
        Kind.SUBSCRIBER: registering.probe_subscriber,
        Kind.ALIAS: calling.probe_number,
    }
)
_OF_KINDS: Mapping[Kind, Probe] = MappingProxyType(
    {
        Kind.DIAL_RULE: calling.probe_dial_rule,
        Kind.POOL_SERVER: calling.probe_pools,
        Kind.TRUSTED_HOST: calling.probe_stranger,
    }
)
_OF_PREFERENCES: Mapping[str, Probe] = MappingProxyType(
    {
        "call_classes": calling.probe_classes,
        "forward_after": forwarding.probe_no_answer,
        "forward_always": forwarding.probe_always,
        "forward_busy": forwarding.probe_busy,
        "forward_no_answer": forwarding.probe_no_answer,
        "forward_unreachable": forwarding.probe_unreachable,
        "max_devices": registering.probe_devices,
        "messaging": calling.probe_messaging,
        CALLER_SITE: calling.probe_dial_rule,
    }
)
_OF_SETTINGS: Mapping[str, Probe] = MappingProxyType(
    {
        "min_expires": registering.probe_min_expires,
        "default_expires": registering.probe_default_expires,
        "max_expires": registering.probe_max_expires,
        "message_bytes": calling.probe_message_bytes,
        "federation_enabled": calling.probe_federation,
    }
)

# Why something is not tried.
_KINDS_UNTRIED: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.TRUNK: "Only its provider sees whether the server registers there.",
    }
)
_SETTINGS_UNTRIED: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            ("registers_per_minute", "messages_per_minute"),
            "To pass the limit the probe would have to send as many, which is what it is against.",
        ),
        **dict.fromkeys(
            ("internal_networks", "remote_access"),
            "It takes a client in another network than the console.",
        ),
        **dict.fromkeys(
            ("federation", "federation_edge", "federation_partners", "federation_blocked",
             "federated_messaging"),
            "A message would leave for another SIP domain.",
        ),
    }
)  # fmt: skip
_EVERYBODY = "Everybody has it so, and the probe account has a value of its own."
_SAME = "No probe account has it in another way than everybody."
_NO_PROBE = "There is no probe for it."
_UNREGISTERED = "The probe account could not register."
_SILENT = "The server did not answer any more."
# Answers that a server may leave out one after the other before nothing more is asked.
_SILENCES = 2


@dataclass(slots=True)
class Talk:
    """What came of it; `problem` says why some or all of it could not be tried."""

    transport: str = ""
    problem: str = ""
    findings: list[Finding] = field(default_factory=list)


def converse(facts: Facts, *, connect_timeout: float, timeout: float, patience: float) -> Talk:
    """Probe everything, within `patience` seconds; whatever goes wrong is an answer.

    Asks no database of the console's.
    """
    talk = Talk()
    phone = _first_that_answers(facts, talk, connect_timeout, timeout)
    if phone is not None:
        with phone, opened(facts) as outside:
            _Conversation(facts, phone, outside, talk, time.monotonic() + patience).run()
    return talk


def _first_that_answers(
    facts: Facts, talk: Talk, connect_timeout: float, timeout: float
) -> UserAgent | None:
    """A telephone at the safest of the server's ports that answers."""
    problems = []
    for listener in facts.listeners:
        try:
            phone = _open(listener, facts.ca_pem, connect_timeout, timeout)
        except ProvisioningError as error:
            problems.append(error.message)
            continue
        talk.transport = listener.transport
        talk.problem = " ".join(problems)
        return phone
    talk.problem = " ".join(problems) or "The server has no SIP port."
    return None


def _open(listener: Listener, ca_pem: str, connect_timeout: float, timeout: float) -> UserAgent:
    addresses = targets.check_target(host=listener.host, port=listener.port, what="The SIP host")
    phone = UserAgent(
        listener, addresses=addresses, ca_pem=ca_pem, connect_timeout=connect_timeout,
        timeout=timeout,
    )  # fmt: skip
    try:
        host = f"[{listener.host}]" if ":" in listener.host else listener.host
        phone.options(f"sip:{host}:{listener.port}", within=connect_timeout)
    except ProvisioningError as error:
        phone.close()
        # The wire names itself, a silence does not.
        if listener.named in error.message:
            raise
        raise Unreachable(f"{listener.named}: {error.message}") from error
    return phone


class _Conversation:
    def __init__(
        self, facts: Facts, phone: UserAgent, outside: Outside, talk: Talk, until: float
    ) -> None:
        self._facts, self._phone, self._talk, self._until = facts, phone, talk, until
        self._of_kinds = {**_OF_KINDS, **outside.of_kinds}
        self._of_preferences = {**_OF_PREFERENCES, **outside.of_preferences}
        self._silences = 0
        # What one probe finds may say something of several settings.
        self._said: dict[tuple[Probe, str], Verdict] = {}

    def run(self) -> None:
        """Every SIP domain, and with the first account that registers all that is the same."""
        rest = list(self._rest())
        for probe in self._facts.probes:
            if self._register_and_call(probe):
                for kind, key, ask in rest:
                    self._find(kind, key, ask, probe)
                rest = []
            with suppress(ProvisioningError):
                self._phone.unregister_all(probe.login)
        for kind, key, ask in rest:
            why = ask if isinstance(ask, str) else _UNREGISTERED
            self._keep(kind, key, untried(why))
        for domain, why in self._facts.missing.items():
            for kind in self._held(_OF_DOMAINS):
                self._keep(kind, domain, untried(why))

    def _register_and_call(self, probe: DomainProbe) -> bool:
        """The probes of one SIP domain; whether the account is registered after them."""
        registered = Kind.SUBSCRIBER not in self._facts.kinds
        for kind in self._held(_OF_DOMAINS):
            if kind is Kind.ALIAS and not registered:
                self._keep(kind, probe.domain, untried(_UNREGISTERED))
                continue
            verdict = self._find(kind, probe.domain, _OF_DOMAINS[kind], probe)
            if kind is Kind.SUBSCRIBER:
                registered = verdict.outcome is Outcome.EFFECTIVE
        return registered

    def _rest(self) -> Iterator[tuple[Kind, str, Probe | str]]:
        """What is the same for all SIP domains: its probe, or why there is none."""
        facts = self._facts
        for kind in sorted(facts.kinds - set(_OF_DOMAINS)):
            if kind is Kind.SETTING:
                for key in facts.settings:
                    yield kind, key, self._of_setting(key)
            elif kind is Kind.PREFERENCE:
                for key in sorted(facts.preferences | facts.own):
                    yield kind, key, self._of_preference(key)
            else:
                yield kind, "", self._of_kinds.get(kind) or _KINDS_UNTRIED.get(kind, _NO_PROBE)

    def _of_preference(self, key: str) -> Probe | str:
        ask = self._of_preferences.get(key) or _SETTINGS_UNTRIED.get(key, _NO_PROBE)
        return ask if isinstance(ask, str) or key in self._facts.own else _SAME

    def _of_setting(self, key: str) -> Probe | str:
        setting = CATALOGUE.get(key)
        if setting is not None and setting.family is Family.ACCOUNT:
            return _SETTINGS_UNTRIED.get(key, _EVERYBODY)
        return _OF_SETTINGS.get(key) or _SETTINGS_UNTRIED.get(key, _NO_PROBE)

    def _held(self, kinds: Mapping[Kind, Probe]) -> list[Kind]:
        return [kind for kind in kinds if kind in self._facts.kinds]

    def _find(self, kind: Kind, key: str, ask: Probe | str, probe: DomainProbe) -> Verdict:
        if isinstance(ask, str):
            return self._keep(kind, key, untried(ask))
        asked = ask, probe.domain
        if asked not in self._said:
            self._said[asked] = self._ask(ask, probe)
        return self._keep(kind, key, self._said[asked])

    def _ask(self, ask: Probe, probe: DomainProbe) -> Verdict:
        if self._silences >= _SILENCES or time.monotonic() > self._until:
            self._talk.problem = self._talk.problem or _SILENT
            return untried(_SILENT)
        try:
            verdict = ask(self._facts, probe, self._phone)
        except Unreachable as error:
            self._silences += 1
            return untried(error.message)
        except Rejected as error:
            return untried(error.message)
        self._silences = 0
        return verdict

    def _keep(self, kind: Kind, key: str, verdict: Verdict) -> Verdict:
        self._talk.findings.append(Finding(kind, key, verdict))
        return verdict
