"""What the console makes for itself at its start: secrets, and the version of its static files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from rtcadmin.environment import fingerprint, kept_secret, place


def test_processes_that_start_at_once_share_one_whole_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(
            pool.map(lambda _: kept_secret("RTCADMIN_NONE", tmp_path / "s", "key"), range(64))
        )
    assert len(set(found)) == 1
    assert len(bytes.fromhex(found[0])) == 32
    assert [file.name for file in (tmp_path / "s").iterdir()] == ["key"]


def test_a_kept_secret_is_for_its_owner_alone(tmp_path: Path) -> None:
    kept_secret("RTCADMIN_NONE", tmp_path / "s", "key")
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "s" / "key").stat().st_mode & 0o777 == 0o600


def test_the_fingerprint_changes_with_any_content_and_any_name(tmp_path: Path) -> None:
    style = tmp_path / "css" / "a.css"
    style.parent.mkdir()
    style.write_text("a")
    seen = [fingerprint(tmp_path)]
    style.write_text("b")
    seen.append(fingerprint(tmp_path))
    seen.append(fingerprint(tmp_path, style))
    style.rename(tmp_path / "css" / "b.css")
    seen.append(fingerprint(tmp_path))
    assert len(set(seen)) == 4
    assert fingerprint(tmp_path) == seen[-1]


def test_a_place_is_an_address_and_a_port_or_the_console_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert place("RTCADMIN_NONE") is None
    for text, read in (
        ("10.0.0.7:5099", ("10.0.0.7", 5099)),
        ("[2001:db8::7]:5099", ("2001:db8::7", 5099)),
    ):
        monkeypatch.setenv("RTCADMIN_SOME", text)
        assert place("RTCADMIN_SOME") == read
    for text in ("10.0.0.7", "console.example.com:5099", "10.0.0.7:sip", "10.0.0.7:70000", ":5099"):
        monkeypatch.setenv("RTCADMIN_SOME", text)
        with pytest.raises(ImproperlyConfigured, match="RTCADMIN_SOME must be an IP address"):
            place("RTCADMIN_SOME")
