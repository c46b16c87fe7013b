"""Lines for the configuration of an OpenSIPS, with @…@ for what differs from server to server."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def control() -> str:
    """MI over HTTP, for this machine alone."""
    return (_HERE / "control.cfg").read_text(encoding="utf-8")


def proxy() -> str:
    """What lets the console in, as nginx reads it: @LISTEN@, @TLS@, @PATH@, @CONSOLE@, @SECRET@."""
    return (_HERE / "nginx.conf").read_text(encoding="utf-8")


def tables() -> str:
    """Modules that read what the console writes: @MODULE@ and @DATABASE@."""
    return (_HERE / "tables.cfg").read_text(encoding="utf-8")


def registration() -> str:
    """What checks a REGISTER, and finds the account of a number: @ALGORITHMS@."""
    return (_HERE / "registration.cfg").read_text(encoding="utf-8")
