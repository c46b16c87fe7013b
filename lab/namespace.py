"""A network namespace with one link to this machine, for a server that needs its standard ports."""

import json
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Self

from lab.process import LabError, run, wait_until

# Each namespace takes four addresses out of here, of which two can be used.
NETWORK = IPv4Network("10.99.0.0/24")
STOP_TIMEOUT = 20.0


@dataclass(frozen=True)
class Namespace:
    """A namespace whose only neighbour is this machine; making one needs root."""

    name: str
    outside: str
    inside: str

    @classmethod
    def create(cls) -> Self:
        """Takes the first network that nobody on this machine uses."""
        for place, network in enumerate(NETWORK.subnets(new_prefix=30)):
            outside, inside = (str(address) for address in network.hosts())
            namespace = cls(f"rtclab{place}", outside, inside)
            if not _used(network) and namespace._add():
                namespace._connect()
                return namespace
        raise LabError(f"every part of {NETWORK} is in use")

    @property
    def prefix(self) -> list[str]:
        """What goes before a command that shall run inside."""
        return ["ip", "netns", "exec", self.name]

    @property
    def exists(self) -> bool:
        return self.name in run(["ip", "netns", "list"]).split()

    def remove(self) -> None:
        """Ends whoever runs inside, by force if need be, and takes the link down."""
        if not self.exists:
            return
        self._signal(signal.SIGTERM)
        with suppress(LabError):
            wait_until(lambda: not self._pids(), timeout=STOP_TIMEOUT, what=self.name)
        self._signal(signal.SIGKILL)
        run(["ip", "netns", "delete", self.name])

    def _pids(self) -> list[int]:
        return [int(pid) for pid in run(["ip", "netns", "pids", self.name]).split()]

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _add(self) -> bool:
        try:
            run(["ip", "netns", "add", self.name])
        except LabError:
            # Somebody else was quicker, or left theirs behind.
            if self.exists:
                return False
            raise
        return True

    def _connect(self) -> None:
        ours, theirs = f"{self.name}o", f"{self.name}i"
        inside = ["ip", "-n", self.name]
        run(["ip", "link", "add", ours, "type", "veth", "peer", theirs, "netns", self.name])
        run(["ip", "address", "add", f"{self.outside}/30", "dev", ours])
        run(["ip", "link", "set", ours, "up"])
        run([*inside, "address", "add", f"{self.inside}/30", "dev", theirs])
        run([*inside, "link", "set", theirs, "up"])
        run([*inside, "link", "set", "lo", "up"])


def _used(network: IPv4Network) -> bool:
    addresses = json.loads(run(["ip", "-json", "-4", "address"]))
    used = [one["local"] for link in addresses for one in link["addr_info"]]
    return any(IPv4Address(address) in network for address in used)
