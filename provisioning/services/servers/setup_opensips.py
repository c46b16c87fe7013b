"""What the administrator of an OpenSIPS server puts in place for the console to work with it."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from provisioning.drivers.opensips.setup import (
    calls,
    control,
    proxy,
    registration,
    routing_modules,
    routing_routes,
    sqlops,
    tables,
)
from provisioning.models import ConfigStore, SipServer
from provisioning.services.servers import targets
from provisioning.services.servers.setup_lines import (
    DATABASE,
    DATABASE_MODULES,
    SECRET,
    Guide,
    Section,
    console_address,
    filled,
)
from provisioning.services.servers.setup_rights import rights

_TLS = """\
    ssl_certificate /etc/ssl/certs/PUT-ITS-CERTIFICATE-HERE.pem;
    ssl_certificate_key /etc/ssl/private/PUT-ITS-KEY-HERE.pem;
"""

_WRITTEN = (
    "subscriber", "dbaliases", "domain", "address", "dr_gateways", "dr_groups", "dialplan",
    "dr_rules",
)  # fmt: skip
_SEQUENCES = (*(f"{table}_id_seq" for table in _WRITTEN[:-1]), "dr_rules_ruleid_seq")
_READ = ("version", "location")


def opensips_guide(server: SipServer) -> Guide:
    """What to put in place for this server, in order; secrets are stand-ins.

    The realm of the challenges is the SIP domain; where a domain has another one, the guide's
    `$td` is that realm instead.
    """
    store = server.store
    endpoint = targets.parse_url(
        url=server.rpc_url, schemes=targets.HTTP, what="The control address"
    )
    sqlite = store.dialect == ConfigStore.Dialect.SQLITE
    tls = endpoint.scheme == "https"
    known = {
        "LISTEN": f"{endpoint.port} ssl" if tls else str(endpoint.port),
        "TLS": _TLS if tls else "",
        "PATH": quote(urlsplit(server.rpc_url).path or "/"),
        "CONSOLE": console_address(endpoint),
        "SECRET": SECRET,
        "DATABASE": f"sqlite:///{store.database}" if sqlite else DATABASE,
        "MODULE": DATABASE_MODULES[ConfigStore.Dialect(store.dialect)],
        "ALGORITHMS": store.algorithm.replace("+", ","),
        **sqlops(server.version),
    }
    sections = [
        Section(
            "Let this machine alone reach its management interface",
            "OpenSIPS asks nobody for a password there. Never open this port to a network.",
            "opensips.cfg",
            filled(control(), known),
        ),
        Section(
            "Let the console in",
            "nginx on the same machine takes what the console sends: only from its own address, "
            "only with the secret. Whoever has both can do everything that the interface can.",
            "/etc/nginx/conf.d/opensips.conf",
            filled(proxy(), known),
        ),
        Section(
            "Read accounts, numbers and SIP domains",
            "The console writes these tables; digests only, never a password.",
            "opensips.cfg",
            filled(tables(), known),
        ),
        Section(
            "Check registrations against them",
            "A realm other than the SIP domain stands in place of $td in the two checks.",
            "opensips.cfg, in route",
            filled(registration(), known),
        ),
        Section(
            "Read gateways, routes and trusted hosts",
            "Only where calls leave through gateways that are kept here. The tables are made by "
            "OpenSIPS's scripts permissions-, drouting- and dialplan-create.sql. sqlops was called "
            "avpops, and its function avp_db_load, before 3.5.",
            "opensips.cfg",
            filled(routing_modules(), known),
        ),
        Section(
            "Route calls by them",
            "Trusted hosts call without a password; numbers that are nobody's here go to the "
            "gateways of the longest prefix, one after the other.",
            "opensips.cfg",
            filled(routing_routes(), known),
        ),
        Section(
            "Ask for both where requests come in",
            "In place of what checks callers and looks for contacts now. Where no calls leave, "
            "alias_db_lookup alone finds the account of a number.",
            "opensips.cfg, in route",
            filled(calls(), known),
        ),
    ]
    if not sqlite:
        sections.append(_grants(store))
    return Guide(
        "For OpenSIPS 3.4 and later. Lines that your configuration has already stay once. Settings "
        "and registrations at trunks of an OpenSIPS are not kept here.",
        sections,
        "checks the configuration; then restart OpenSIPS, and nginx.",
        "opensips -C -f /etc/opensips/opensips.cfg",
    )


def _grants(store: ConfigStore) -> Section:
    why = (
        "It writes three tables, five more where it keeps the routing, and reads two. While the "
        "store is only observed, SELECT on all of them is enough."
    )
    return rights(store, why, written=_WRITTEN, read=_READ, sequences=_SEQUENCES)
