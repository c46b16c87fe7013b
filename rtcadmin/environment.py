"""Reading settings from the environment: NAME, or NAME_FILE for a secret kept in a file."""

from __future__ import annotations

import hashlib
import os
import secrets
import ssl
import tempfile
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str = "") -> str:
    """The value of NAME, or the content of the file that NAME_FILE names."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        return Path(path).read_text(encoding="utf-8").strip()
    return os.environ.get(name, default)


def broker_tls(url: str) -> dict[str, Any] | None:
    """How a broker's TLS is checked: its certificate, for the host name in the URL; None without.

    The words are those of the library that speaks to it; kombu puts the host where None stands.
    """
    scheme = urlsplit(url).scheme
    if scheme == "rediss":
        return {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    if scheme == "amqps":
        return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}
    return None


def flag(name: str, *, default: bool = False) -> bool:
    """Whether NAME is 1, true, yes or on."""
    value = text(name)
    return value.lower() in {"1", "true", "yes", "on"} if value else default


def number(name: str, default: float) -> float:
    """NAME as a number."""
    value = text(name)
    try:
        return float(value) if value else default
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number, not {value!r}.") from None


def words(name: str, default: str = "") -> list[str]:
    """NAME as a list, separated by commas."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """NAME as a list of addresses and networks, such as 127.0.0.1,10.0.0.0/8."""
    try:
        return [ip_network(word) for word in words(name)]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} must list addresses or networks such as 10.0.0.0/8: {error}."
        ) from None


def place(name: str) -> tuple[str, int] | None:
    """NAME as an IP address and a port."""
    value = text(name)
    if not value:
        return None
    host, _, port = value.rpartition(":")
    try:
        found = str(ip_address(host.strip("[]"))), int(port)
    except ValueError:
        found = "", 0
    if not 1 <= found[1] <= 65535:
        raise ImproperlyConfigured(
            f"{name} must be an IP address and a port such as 10.0.0.7:5099, not {value!r}."
        )
    return found


def fingerprint(*paths: Path) -> str:
    """12 hexadecimal digits that change with any byte or name below `paths`."""
    found = hashlib.sha256()
    for path in paths:
        files = sorted(each for each in path.rglob("*") if each.is_file()) or [path]
        for each in files:
            content = each.read_bytes()
            found.update(f"{each.relative_to(path)} {len(content)} ".encode() + content)
    return found.hexdigest()[:12]


def kept_secret(name: str, folder: Path, file_name: str) -> str:
    """NAME, or a secret made at first use and kept in `folder` with mode 0600.

    Of processes that start at once the first one's secret holds, and none sees half of it.
    """
    given = text(name)
    if given:
        return given
    path = folder / file_name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        descriptor, draft = tempfile.mkstemp(dir=folder)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
        with suppress(FileExistsError):
            os.link(draft, path)
        Path(draft).unlink()
    return path.read_text(encoding="ascii").strip()


def database(url: str, sqlite_file: Path) -> dict[str, object]:
    """Django's entry for postgresql://user:password@host:port/name, or SQLite in a file."""
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": sqlite_file,
            # A connection costs as much as a small page: setting it up, and reading the schema.
            "CONN_MAX_AGE": 60,
            "OPTIONS": {
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000;"
                ),
            },
        }
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.path.strip("/"):
        raise ImproperlyConfigured(
            "RTCADMIN_DATABASE_URL must be postgresql://user:password@host:port/name."
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": dict(parse_qsl(parts.query)),
    }
