"""Free ports on loopback, and the question whether somebody answers there."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from itertools import cycle, islice

HOST = "127.0.0.1"
# Below the kernel's range for outgoing connections (32768 and up), so that no client takes a
# server's port while the server is down.
FIRST, LAST = 20000, 32000
# Each process gives out ports of a block of its own, in turn: no other takes one before its server
# has started, or while it is down, and it comes again only after all the others.
BLOCK = 400


def free_ports(count: int) -> list[int]:
    """Distinct ports, each free for both TCP and UDP."""
    found: list[int] = []
    with ExitStack() as held:
        for port in islice(_own_ports()[1], BLOCK):
            if _taken(port, held):
                found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"found only {len(found)} of {count} free ports")


def free_port() -> int:
    """One port, free for both TCP and UDP."""
    return free_ports(1)[0]


def free_pair() -> int:
    """The first of two ports in a row, each free for both TCP and UDP."""
    for _ in range(BLOCK):
        first, second = free_ports(2)
        if second == first + 1:
            return first
    raise OSError("found no two free ports in a row")


def listening(port: int, host: str = HOST) -> bool:
    """Whether somebody accepts TCP connections there."""
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    return True


@cache
def _own_ports() -> tuple[socket.socket, Iterator[int]]:
    """What marks a block as this process's until it ends, and the ports of the block, for ever."""
    blocks = range(FIRST, LAST, BLOCK)
    start = secrets.randbelow(len(blocks))
    for first in (*blocks[start:], *blocks[:start]):
        # An abstract name (unix(7)) belongs to one socket, and goes with it.
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0rtcadmin-ports-{first}")
        except OSError:
            mark.close()
        else:
            return mark, cycle(range(first, first + BLOCK))
    raise OSError("every block of ports belongs to a process that runs")


def _taken(port: int, held: ExitStack) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        probe = held.enter_context(socket.socket(socket.AF_INET, kind))
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
