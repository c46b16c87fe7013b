"""Gateways: saving and deleting, with the password of a registration at them."""

from __future__ import annotations

import re

from django.db.models import Max, Q, QuerySet

from provisioning.core.errors import InvalidFields, InvalidInput, about
from provisioning.core.sip import check_domain
from provisioning.core.text import counted, require_line
from provisioning.models import Gateway, Route
from provisioning.models.routing import FIRST_NUMBER
from provisioning.services.actor import Actor
from provisioning.services.console import saving
from provisioning.services.routing.marking import marking_routing
from provisioning.services.servers import targets

# To whom the password would answer.
_TRUST = ("host", "port", "transport", "domain", "realm", "auth_user")
_REGISTRATION = ("user", "domain", "auth_user", "realm")
# How many of the routes that use a gateway are named.
_NAMED = 5
_PREFIX = re.compile(r"[+0-9*#]*", re.ASCII)
_NAME = re.compile(r"[^\s\"\\:;<>@]{1,64}", re.ASCII)


def save_gateway(*, gateway: Gateway, actor: Actor, secret: str | None = None) -> bool:
    """Keep a new or changed gateway; `secret` None keeps the stored password, empty erases it.

    The stored password never goes to a new place: it is erased when host, port, transport, realm or
    names change and no new one is given. Returns whether it was erased that way.
    """
    before = saving.find_stored(gateway)
    if not gateway.registers and (secret or (gateway.user and not (before and before.user))):
        raise InvalidFields(
            {"registers": "Tick this, or leave user name and password empty: they are for it."}
        )
    tidy(gateway)
    erased = _keep_secret_from_strangers(gateway, before) and secret is None
    saving.check_fields(gateway)
    if secret is not None:
        require_line(secret, "The password")
    if gateway.registers and not secret and gateway.sealed_secret is None and not erased:
        raise InvalidFields({"secret": "Give the password that the registration is made with."})
    facts = (
        {"password": "erased"} if erased else {"password": "changed"} if secret is not None else {}
    )
    with marking_routing(actor=actor, about=f"gateway {gateway}"):
        saving.save(row=gateway, before=before, actor=actor, **facts)
        if secret is not None:
            gateway.set_secret(secret)
            gateway.save(update_fields=["sealed_secret"])
    return erased


def delete_gateway(*, gateway: Gateway, actor: Actor) -> None:
    """Delete a gateway that no route names, and take it from every managed store."""
    uses = routes_of(gateway).count()
    if uses:
        names = routes_of(gateway).order_by("name").values_list("name", flat=True)[:_NAMED]
        more = ", …" if uses > _NAMED else ""
        raise InvalidInput(
            f"“{gateway}” is still used by {counted(uses, 'route')}: {', '.join(names)}{more}. "
            "Nothing was deleted; change that first."
        )
    with marking_routing(actor=actor, about=f"gateway {gateway} deleted"):
        saving.delete(row=gateway, actor=actor)


def routes_of(gateway: Gateway) -> QuerySet[Route]:
    """The routes that name a gateway, in whichever place."""
    return Route.objects.filter(
        Q(first_gateway=gateway) | Q(second_gateway=gateway) | Q(third_gateway=gateway)
    )


def tidy(gateway: Gateway) -> None:
    """Bring what was typed to its one form; raises InvalidFields where it has none."""
    gateway.name = require_line(gateway.name, "The name").strip()
    with about("host"):
        gateway.host = targets.check_host(host=gateway.host, what="The host").lower()
    if not gateway.number:
        highest = Gateway.objects.aggregate(highest=Max("number"))["highest"]
        gateway.number = max(FIRST_NUMBER, (highest or 0) + 1)
    if not _PREFIX.fullmatch(gateway.prefix):
        raise InvalidFields({"prefix": "Only digits, “+”, “*” and “#” can stand before a number."})
    if not gateway.registers:
        for field in _REGISTRATION:
            setattr(gateway, field, "")
        gateway.set_secret("")
        return
    with about("domain"):
        gateway.domain = check_domain(gateway.domain or gateway.host)
    gateway.auth_user = gateway.auth_user or gateway.user
    gateway.realm = require_line(gateway.realm, "The realm").strip() or gateway.domain
    for field in ("user", "auth_user"):
        if not _NAME.fullmatch(getattr(gateway, field)):
            raise InvalidFields(
                {field: 'Give a name without blanks and without any of “"”, “\\”, “:”, “@”.'}
            )


def _keep_secret_from_strangers(gateway: Gateway, before: Gateway | None) -> bool:
    """Take the stored password where it would answer to others; whether there was one."""
    if before is None or all(getattr(before, field) == getattr(gateway, field) for field in _TRUST):
        return False
    gateway.set_secret("")
    return before.sealed_secret is not None and gateway.registers
