"""Lines for the configuration of a Kamailio, with @…@ for what differs from server to server."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def routing_modules() -> str:
    """Modules and their parameters: @DATABASE@, and @ADDRESS@ at which gateways reach it."""
    return (_HERE / "routing_modules.cfg").read_text(encoding="utf-8")


def routing_routes() -> str:
    """The routes RTC_CALLER and RTC_OUT, and what they need."""
    return (_HERE / "routing.cfg").read_text(encoding="utf-8")


def forwarding_routes() -> str:
    """The route RTC_DELIVER and what it needs; needs the routes for routing and for settings."""
    return "\n".join(
        (_HERE / name).read_text(encoding="utf-8")
        for name in ("forwarding.cfg", "pools.cfg", "voicemail.cfg")
    )
