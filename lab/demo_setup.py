"""The setup document of the demo: the invented company's sites, numbers, directory and rules."""

import json
from collections.abc import Iterator
from pathlib import Path

from lab.kamailio import Kamailio
from lab.kamailio_store import SqliteStore
from lab.sites import SITES, Site
from lab.slapd import Slapd
from lab.slapd_entries import BIND_DN, GROUPS, PEOPLE
from lab.state import write_private

DOMAIN = "rtc.test"
POOL = "Head office"
SOURCE = "corp.example"
PROFILE = "Softphone"
TIME_ZONES = {
    "London": "Europe/London",
    "Berlin": "Europe/Berlin",
    "Paris": "Europe/Paris",
    "Madrid": "Europe/Madrid",
    "Warsaw": "Europe/Warsaw",
    "São Paulo": "America/Sao_Paulo",
    "Tokyo": "Asia/Tokyo",
    "Austin": "America/Chicago",
}
# The end of London's numbers is for those to whom the directory gives none.
SPARE = "London, handed out here"
SPARE_AT, SPARE_FROM = "London", 700


def write_setup(
    folder: Path, directory: Slapd, server: Kamailio, store: SqliteStore, *, interval: int
) -> Path:
    """Writes the document and the secrets that it names; `interval` is between two syncs, in s."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(folder / "directory-password", directory.bind_password)
    write_private(folder / "control-secret", server.rpc_secret)
    authority = str(directory.ca_file)
    document = {
        "sites": [
            {
                "name": site.locality,
                "country": site.country,
                "time_zone": TIME_ZONES[site.locality],
                "address": f"{site.office}, {site.locality}, {site.country_name}",
                "match_values": [site.office, site.locality],
            }
            for site in SITES
        ],
        "sip_domains": [{"domain": DOMAIN}],
        "pools": [{"name": POOL}],
        "number_ranges": [each for site in SITES for each in _ranges(site)],
        "stores": [
            {
                "name": "Head office database",
                "pool": POOL,
                "dialect": "sqlite",
                "database": store.file.name,
                "mode": "manage",
            }
        ],
        "servers": [
            {
                "name": "sip1",
                "pool": POOL,
                "store": "Head office database",
                "sip_host": "localhost",
                "tls_port": server.tls_port,
                "tcp_port": server.sip_port,
                "udp_port": server.sip_port,
                "rpc_url": server.rpc_url,
                "secret_file": "control-secret",
            }
        ],
        "client_profiles": [
            {
                "name": PROFILE,
                "is_default": True,
                "media_encryption": "required",
                "register_expires": 600,
                "ca_pem_file": authority,
                "provider": "Example Corp",
            }
        ],
        "sources": [
            {
                "name": SOURCE,
                "kind": "openldap",
                "uris": [directory.tls_uri],
                "tls": "ldaps",
                "ca_pem_file": authority,
                "bind_dn": BIND_DN,
                "secret_file": "directory-password",
                "person_bases": [PEOPLE],
                "group_bases": [GROUPS],
                "interval_seconds": interval,
                "allows_sign_in": True,
            }
        ],
        "role_groups": [
            {"source": SOURCE, "group": f"Console {group}", "role": role}
            for group, role in (
                ("administrators", "administrator"),
                ("helpdesk", "helpdesk"),
                ("viewers", "viewer"),
            )
        ],
        "account_rules": [
            {
                **_everybody_with_telephony("Telephony users without a number"),
                "condition": "not(phone)",
                "number_source": "range",
                "number_range": SPARE,
            },
            _everybody_with_telephony("Telephony users"),
        ],
    }
    file = folder / "setup.json"
    file.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return file


def _everybody_with_telephony(name: str) -> dict[str, object]:
    return {
        "name": name,
        "source": SOURCE,
        "group": "Telephony users",
        "domain": DOMAIN,
        "pool": POOL,
        "user_formula": "lower(login)",
        "number_source": "directory",
        "number_formula": "phone",
        "profile": PROFILE,
    }


def _ranges(site: Site) -> Iterator[dict[str, object]]:
    for place, block in enumerate(site.numbers, start=1):
        name = site.locality if place == 1 else f"{site.locality} {place}"
        spare_from = SPARE_FROM if site.locality == SPARE_AT else block.count
        yield _range(name, site, block.prefix, block.digits, (0, spare_from - 1), "directory")
        if spare_from < block.count:
            numbers = (spare_from, block.count - 1)
            yield _range(SPARE, site, block.prefix, block.digits, numbers, "console")


def _range(
    name: str, site: Site, prefix: str, digits: int, numbers: tuple[int, int], authority: str
) -> dict[str, object]:
    first, last = (f"{prefix}{number:0{digits}d}" for number in numbers)
    return {
        "name": name,
        "first": first,
        "last": last,
        "site": site.locality,
        "extension_digits": 4,
        "authority": authority,
    }
