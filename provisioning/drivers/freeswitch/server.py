"""Control of one FreeSWITCH over its event socket."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator

from provisioning.core.errors import Rejected
from provisioning.core.records import Registration, ServerHealth, ServerRecord
from provisioning.drivers.base import Kind
from provisioning.drivers.freeswitch import contacts
from provisioning.drivers.freeswitch.event_socket import EventSocket
from provisioning.drivers.freeswitch.tables import parts

_VERSION = re.compile(r"FreeSWITCH version:? (\S+)", re.IGNORECASE)
_COUNT = re.compile(r"(\d+) total")
# Words of a command are set apart by blanks.
_WORD = re.compile(r"[\x21-\x7e]{1,255}")


class FreeSwitchServer:
    """One FreeSWITCH; implements ServerDriver. Every method ends within the total time-out.

    For one thread at a time.
    """

    def __init__(self, server: ServerRecord) -> None:
        self._events = EventSocket(server)

    def activate(self, kinds: Iterable[Kind]) -> None:
        """Nothing: no kind waits for it, since FreeSWITCH asks for accounts each time."""

    def health(self) -> ServerHealth:
        """Ask the server how it is; the latency is that of a command on the open connection."""
        until = self._events.deadline()
        version = _VERSION.match(self._events.api("version", until))
        if version is None:
            raise Rejected(f"{self._events.named} cannot be used: it is no FreeSWITCH.")
        before = time.perf_counter()
        uptime = self._events.api("uptime", until).strip()
        latency = (time.perf_counter() - before) * 1000
        profiles = contacts.profiles_of(self._events.api("sofia xmlstatus", until))
        return ServerHealth(
            version=f"FreeSWITCH {version[1].partition('~')[0]}",
            uptime_seconds=int(uptime) if uptime.isdecimal() else 0,
            latency_ms=latency,
            registrations=self._count("registrations", until),
            details={
                "calls": str(self._count("calls", until) or 0),
                "SIP profiles": ", ".join(profiles),
            },
        )

    def end_registration(self, aor: str, contact: str = "") -> bool:
        """Drop every contact of `aor`, or the one given; False when there was none."""
        until = self._events.deadline()
        ended = False
        for profile, live in self._live(aor, until):
            meant = [each for each in live if contact in ("", each.contact)]
            # One that cannot be named alone goes with all others of the account.
            names = {each.key if contact and _WORD.fullmatch(each.key) else aor for each in meant}
            for name in names:
                self._events.api(f"sofia profile {profile} flush_inbound_reg {name}", until)
            ended = ended or bool(meant)
        return ended

    def registrations_of(self, aor: str) -> list[Registration]:
        """Live contacts of one address-of-record, asked of the server itself."""
        return [each for _, live in self._live(aor, self._events.deadline()) for each in live]

    def reload_certificate(self) -> None:
        """Rejected: a SIP profile reads its certificate when it starts, and ends its calls then."""
        raise Rejected(
            f"{self._events.named} reads its certificate when a SIP profile starts. Restart the "
            "profile when nobody is on the phone. Nothing was changed."
        )

    def close(self) -> None:
        """Give connections back; the driver is not used afterwards."""
        self._events.close()

    def _live(self, aor: str, until: float) -> Iterator[tuple[str, list[Registration]]]:
        """The registrations of `aor` at each SIP profile."""
        if not parts(aor):
            raise Rejected(f"{aor[:130]!r} is not an address that FreeSWITCH can have.")
        for profile in contacts.profiles_of(self._events.api("sofia xmlstatus", until)):
            if _WORD.fullmatch(profile):
                told = self._events.api(f"sofia xmlstatus profile {profile} user {aor}", until)
                yield profile, list(contacts.registrations_of(told, time.time()))

    def _count(self, what: str, until: float) -> int | None:
        found = _COUNT.search(self._events.api(f"show {what} count", until))
        return int(found[1]) if found else None
