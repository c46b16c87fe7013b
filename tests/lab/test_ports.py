"""Ports: free when they are given out, and not given out twice meanwhile."""

import socket

import pytest

from lab import ports


def test_distinct_ports_come_in_turn() -> None:
    given = [ports.free_port() for _ in range(20)]

    assert len(set(given)) == 20


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
@pytest.mark.parametrize("which", [0, 1])
def test_neither_of_a_pair_is_taken(
    kind: socket.SocketKind, which: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ports.free_pair()
    again = iter(range(first, first + 8))
    monkeypatch.setattr(ports, "_own_ports", lambda: (None, again))
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind((ports.HOST, first + which))

        pair = ports.free_pair()

    assert pair not in (first + which, first + which - 1)
