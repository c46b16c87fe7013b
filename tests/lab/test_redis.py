"""Redis asks for its password and keeps its data."""

import socket
from pathlib import Path

import redis

from lab.ports import HOST
from lab.redis import Redis


def test_data_survives_a_restart(tmp_path: Path) -> None:
    with Redis(tmp_path) as server:
        redis.Redis.from_url(server.url).set("key", "value")
        server.stop()
        server.start()
        assert redis.Redis.from_url(server.url).get("key") == b"value"


def test_the_password_is_needed(tmp_path: Path) -> None:
    with Redis(tmp_path) as server:
        connection = socket.create_connection((HOST, server.port), timeout=30)
        with connection:
            connection.sendall(b"PING\r\n")
            assert connection.recv(100).startswith(b"-NOAUTH")
