"""What one probe found: what was sent, what was intended, what came back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from provisioning.drivers.base import Kind
from provisioning.drivers.sip.message import Request, Response
from provisioning.models import ProbeResult

Outcome = ProbeResult.Outcome
_BUSY = 503


@dataclass(frozen=True, slots=True)
class Verdict:
    """`got` are the server's words; where nothing was tried, the reason."""

    outcome: Outcome
    got: str
    sent: str = ""
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict about a kind, or about the part of it that `key` names."""

    kind: Kind
    key: str
    verdict: Verdict


def judge(response: Response, *, good: bool, sent: str, expected: str, seen: str = "") -> Verdict:
    """What an answer says, and what was `seen` beside it; who has no time says nothing."""
    if not good and response.status == _BUSY and response.first("retry-after"):
        return untried(f"It answered {response.words}: this says nothing of how it is set up.")
    outcome = Outcome.EFFECTIVE if good else Outcome.INEFFECTIVE
    got = f"{response.words}; {seen}" if seen else response.words
    return Verdict(outcome, got, sent, expected)


def arrived(requests: Sequence[Request]) -> str:
    """What came to the console itself, in words."""
    came = ", ".join(f"{each.method} {each.uri}" for each in requests)
    return f"there arrived {came or 'nothing'}"


def untried(why: str) -> Verdict:
    """Nothing was tried, or nothing came of it."""
    return Verdict(Outcome.UNTRIED, why)
