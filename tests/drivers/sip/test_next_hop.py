"""The far end of a gateway, as servers and strangers find it."""

from __future__ import annotations

import socket

import pytest

from lab.ports import HOST, free_port
from provisioning.core.errors import Rejected, Unreachable
from provisioning.core.records import Listener
from provisioning.drivers.sip.agent import UserAgent
from provisioning.drivers.sip.digest import Login
from provisioning.drivers.sip.next_hop import NextHop

AMY = Login("amy", "corp.example", "amy", "correct")


def test_it_answers_options_is_busy_to_calls_and_notes_whom_they_were_for() -> None:
    port = free_port()
    with NextHop(HOST, port, patience=0) as hop:
        with socket.socket(type=socket.SOCK_DGRAM) as stranger:
            for nonsense in (b"", b"x", b"INVITE sip:a SIP/2.0\r\nVia: a\rb\r\n\r\n", b"\0" * 9000):
                stranger.sendto(nonsense, (HOST, port))
        with UserAgent(Listener(HOST, port, "udp"), addresses=[HOST]) as phone:
            assert phone.options(f"sip:{HOST}:{port}").status == 200
            assert phone.invite(AMY, "sip:009991@corp.example").status == 486
        assert [each.user for each in hop.calls("9991")] == ["009991"]
        assert hop.calls("9992") == []
    with (
        UserAgent(Listener(HOST, port, "udp"), addresses=[HOST], timeout=1) as phone,
        pytest.raises(Unreachable),
    ):
        phone.options(f"sip:{HOST}:{port}")


def test_a_port_that_somebody_has_is_waited_for_and_then_told() -> None:
    port = free_port()
    with NextHop(HOST, port, patience=0), pytest.raises(Rejected, match=f"UDP port {port}, "):
        NextHop(HOST, port, patience=0.2)
    with NextHop(HOST, port, patience=0):
        pass
