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
        assert [each.method for each in hop.rung if each.user == "009991"] == ["INVITE"]
    with (
        UserAgent(Listener(HOST, port, "udp"), addresses=[HOST], timeout=1) as phone,
        pytest.raises(Unreachable),
    ):
        phone.options(f"sip:{HOST}:{port}")


def test_who_subscribes_is_told_once_and_that_no_message_waits() -> None:
    port = free_port()
    with (
        NextHop(HOST, port, patience=0) as hop,
        UserAgent(Listener(HOST, port, "udp"), addresses=[HOST]) as phone,
    ):
        answer, told = phone.subscribe(AMY, "message-summary")
        assert (answer.status, answer.first("expires"), told) == (200, "0", True)
        assert [each.method for each in hop.rung] == ["SUBSCRIBE"]
        [notified] = phone.rung
    assert notified.first("event") == "message-summary"
    assert notified.first("subscription-state").startswith("terminated")
    assert notified.first("from") == answer.first("to")


def test_a_port_that_somebody_has_is_waited_for_and_then_told() -> None:
    port = free_port()
    with NextHop(HOST, port, patience=0), pytest.raises(Rejected, match=f"UDP port {port}, "):
        NextHop(HOST, port, patience=0.2)
    with NextHop(HOST, port, patience=0):
        pass
