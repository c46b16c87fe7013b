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


def routing_modules() -> str:
    """Modules for routes, gateways and trusted hosts: @DATABASE@, and as `sqlops` has them."""
    return (_HERE / "routing_modules.cfg").read_text(encoding="utf-8")


def routing_routes() -> str:
    """The routes RTC_CALLER, RTC_DIALLED and RTC_OUT: @ALGORITHMS@, and as `sqlops` has them."""
    return (_HERE / "routing.cfg").read_text(encoding="utf-8")


def sqlops(version: str) -> dict[str, str]:
    """@SQLOPS@ and @AVP_LOAD@: the module that looks an account's site up, renamed with 3.5."""
    if "3.4" in version:
        return {"SQLOPS": "avpops", "AVP_LOAD": "avp_db_load"}
    return {"SQLOPS": "sqlops", "AVP_LOAD": "sql_avp_load"}


def calls() -> str:
    """What asks for both where requests come in."""
    return (_HERE / "calls.cfg").read_text(encoding="utf-8")


def registration() -> str:
    """What checks a REGISTER: @ALGORITHMS@."""
    return (_HERE / "registration.cfg").read_text(encoding="utf-8")
