"""Messages as files: a worker sees a complete one, or none."""

from __future__ import annotations

from pathlib import Path

import pytest
from kombu import Connection
from kombu.exceptions import ChannelError

from rtcadmin.broker.files import FileTransport
from rtcadmin.broker.redis import RedisTransport
from rtcadmin.celery import app


def connect(folder: Path) -> Connection:
    options = {name: str(folder) for name in ("data_folder_in", "data_folder_out")}
    (folder / "control").mkdir()
    return Connection(
        "filesystem://",
        transport_options={**options, "control_folder": str(folder / "control")},
    )


def test_a_message_has_no_name_before_it_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    real = Path.rename

    def look(path: Path, target: Path) -> Path:
        seen.append(sorted(name.name for name in tmp_path.glob("*.msg")))
        assert path.stat().st_size
        return real(path, target)

    monkeypatch.setattr(Path, "rename", look)
    with connect(tmp_path) as connection, connection.SimpleQueue("work") as queue:
        for number in range(3):
            queue.put({"number": number})
        messages = [queue.get(timeout=30) for _ in range(3)]
        assert [message.payload["number"] for message in messages] == [0, 1, 2]
        for message in messages:
            message.ack()
    assert [len(names) for names in seen] == [0, 1, 2]
    assert not list(tmp_path.glob("*.draft"))


def test_a_full_disk_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with connect(tmp_path) as connection, connection.SimpleQueue("other") as queue:
        monkeypatch.setattr(Path, "rename", fail)
        with pytest.raises(ChannelError):
            queue.put({"number": 1})
    assert not list(tmp_path.glob("*.msg"))
    assert not list(tmp_path.glob("*.draft"))


def test_the_console_s_own_connections_use_these() -> None:
    for url, transport in (
        ("filesystem://", FileTransport),
        ("redis://", RedisTransport),
        ("rediss://", RedisTransport),
    ):
        with app.connection_for_write(url) as connection:
            assert connection.get_transport_cls() is transport
