"""How bad something is, from what cannot wait to what waits for a decision."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """The severity of an alert."""

    CRITICAL = "critical"
    WARNING = "warning"
    DECISION = "decision"

    @property
    def label(self) -> str:
        """The words for it on every page."""
        return "Waits for a decision" if self is Severity.DECISION else self.value.capitalize()

    @property
    def tone(self) -> str:
        """Its colour."""
        return "red" if self is Severity.CRITICAL else "yellow"


SEVERITY_CHOICES = [(severity.value, severity.label) for severity in Severity]
