"""Free ports on loopback, and the question whether somebody answers there."""

import secrets
import socket
from contextlib import ExitStack

HOST = "127.0.0.1"
# Below the kernel's range for outgoing connections (32768 and up), so that no client takes a
# server's port while the server is down.
FIRST, LAST = 20000, 32000
ATTEMPTS = 500


def free_ports(count: int) -> list[int]:
    """Distinct ports, each free for both TCP and UDP."""
    found: list[int] = []
    with ExitStack() as held:
        for _ in range(ATTEMPTS):
            port = FIRST + secrets.randbelow(LAST - FIRST)
            if port not in found and _taken(port, held):
                found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"found only {len(found)} of {count} free ports")


def free_port() -> int:
    """One port, free for both TCP and UDP."""
    return free_ports(1)[0]


def listening(port: int, host: str = HOST) -> bool:
    """Whether somebody accepts TCP connections there."""
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _taken(port: int, held: ExitStack) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        probe = held.enter_context(socket.socket(socket.AF_INET, kind))
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
