"""Sites: saving and deleting."""

from __future__ import annotations

import zoneinfo

import phonenumbers

from provisioning.core.dialling import read_rules
from provisioning.core.errors import InvalidFields, InvalidInput, about
from provisioning.core.telephone import normalise
from provisioning.core.text import require_line
from provisioning.models import Site
from provisioning.services.actor import Actor
from provisioning.services.console import saving
from provisioning.services.routing.marking import marking_routing


def save_site(*, site: Site, actor: Actor) -> None:
    """Keep a new or changed site; its numbers become E.164, read as numbers of its country."""
    site.name = require_line(site.name, "The name").strip()
    site.country = site.country.strip().upper()
    if site.country not in phonenumbers.SUPPORTED_REGIONS:
        raise InvalidInput(
            f"“{site.country}” is not a country's two letters (ISO 3166), such as GB."
        )
    if site.time_zone not in zoneinfo.available_timezones():
        raise InvalidInput(f"“{site.time_zone}” is not a time zone such as Europe/London.")
    for field in ("main_number", "emergency_callback"):
        text = getattr(site, field)
        if text:
            setattr(site, field, normalise(text, site.country))
    with about("dial_rules"):
        site.dial_rules = "\n".join(map(str, read_rules(site.dial_rules)))
    _check_matches(site)
    saving.check_fields(site)
    with marking_routing(actor=actor, about=f"site {site}"):
        saving.save(row=site, before=saving.find_stored(site), actor=actor)


def delete_site(*, site: Site, actor: Actor) -> None:
    """Delete a site that no account, rule or range names; its routes go with it."""
    with marking_routing(actor=actor, about=f"site {site} deleted"):
        saving.delete(row=site, actor=actor)


def _check_matches(site: Site) -> None:
    """Raise InvalidFields where a directory value of `site` means another site already."""
    for other in Site.objects.exclude(pk=site.pk).exclude(name=site.name):
        shared = sorted(site.matches() & other.matches())
        if shared:
            raise InvalidFields(
                {
                    "match_values": f"“{shared[0]}” means the site {other} already. Nothing was "
                    "saved; take it out at one of the two."
                }
            )
