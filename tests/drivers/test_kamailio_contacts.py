"""How a contact's transport and times are read from what Kamailio keeps."""

from __future__ import annotations

from datetime import datetime

import pytest

from provisioning.drivers.database.contacts import transport_of, unix_seconds


@pytest.mark.parametrize(
    ("contact", "received", "socket", "transport"),
    [
        ("sip:a@10.0.0.1:5060", "", "udp:10.0.0.9:5060", "udp"),
        ("sip:a@10.0.0.1:5060;transport=tcp", "", "tls:10.0.0.9:5061", "tls"),
        ("sip:a@10.0.0.1:5060;transport=TCP", "", "", "tcp"),
        ("sip:a@10.0.0.1:5060", "sip:198.51.100.7:4711;transport=tls", "", "tls"),
        ("sip:a@7f3.invalid;transport=ws", "", "tls:10.0.0.9:443", "ws"),
        ("sips:a@10.0.0.1", "", "", "tls"),
        ("sip:a@10.0.0.1", "", "", "udp"),
    ],
)
def test_the_servers_socket_beats_what_the_contact_says(
    contact: str, received: str, socket: str, transport: str
) -> None:
    assert transport_of(contact, received, socket) == transport


@pytest.mark.parametrize(
    ("held", "utc_offset", "seconds"),
    [
        (2461368.123443287, 0, 1795445865),  # db_sqlite: a Julian day in UTC
        (2440587.5, 0, 0),  # a permanent contact
        (1795445866, 0, 1795445866),  # usrloc with expires_type=1
        (datetime(2026, 11, 23, 14, 57, 46), 0, 1795445866),  # noqa: DTZ001 (db_postgres)
        (datetime(2026, 11, 23, 15, 57, 46), 3600, 1795445866),  # noqa: DTZ001 (db_postgres)
        ("2026-11-23 14:57:46", 0, 1795445866),
        (datetime(1970, 1, 1), 3600, 0),  # noqa: DTZ001
        (None, 0, 0),
    ],
)
def test_every_form_of_a_time_becomes_unix_seconds(
    held: object, utc_offset: int, seconds: int
) -> None:
    assert unix_seconds(held, utc_offset) == pytest.approx(seconds, abs=1)
