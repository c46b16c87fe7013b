"""Who acts: a console user, or the console itself."""

from __future__ import annotations

from dataclasses import dataclass

from provisioning.models import ConsoleUser


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, for the audit log. `user` is None where no console user signed in."""

    name: str
    user: ConsoleUser | None = None
    request_id: str = ""

    @classmethod
    def of(cls, user: ConsoleUser, request_id: str = "") -> Actor:
        """The signed-in console user."""
        return cls(user.username, user, request_id)

    @property
    def label(self) -> str:
        """As pages call it: people by their names."""
        return self.name if self.user is None else str(self.user)


SYNC = Actor("directory sync")
RULES = Actor("account rules")
PUSH = Actor("push")
SCHEDULE = Actor("schedule")
WRITE_BACK = Actor("write-back")
COMMAND_LINE = Actor("command line")
