"""What the administrator of a Kamailio server puts in place for the console to work with it."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from provisioning.drivers.kamailio.settings_lines import settings_modules, settings_routes
from provisioning.drivers.kamailio.setup import forwarding_routes, routing_modules, routing_routes
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

_CONTROL = """\
# A listener for the console alone, on a network that only the console reaches.
listen=@TRANSPORT@:0.0.0.0:@PORT@
tcp_accept_no_cl=yes
# Larger requests are dropped without a reply otherwise.
tcp_rd_buf_size=262144

loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "jsonrpcs.so"
loadmodule "xhttp.so"
modparam("jsonrpcs", "transport", 1)
modparam("xhttp", "url_match", "^@PATH@$")

event_route[xhttp:request] {
    # Without a reply the console would wait for its own time-out.
    set_reply_no_connect();
    # xhttp answers on every TCP listener, the public SIP ports too.
    if ($Rp != @PORT@ || $hu != "@PATH@") {
        xhttp_reply("404", "Not Found", "text/plain", "");
        exit;
    }
    if ($si != "@CONSOLE@") {
        xhttp_reply("403", "Forbidden", "text/plain", "");
        exit;
    }
    if ($hdr(X-RPC-Secret) != "@SECRET@") {
        xhttp_reply("401", "Unauthorized", "text/plain", "");
        exit;
    }
    # Only what the console needs; the raw text counts, since jsonrpcs takes keys in any case.
    if ($rm != "POST" || !($rb =~ "^[{]\\"jsonrpc\\":\\"2[.]0\\",\\"method\\":\\"(core[.](uptime|version)|stats[.]fetchn|domain[.]reload|tls[.]reload|permissions[.]addressReload|dispatcher[.]reload|mtree[.]reload|dialplan[.]reload|uac[.]reg_reload|htable[.]reload|ul[.](lookup|rm))\\"[,}]")) {
        xhttp_reply("403", "Forbidden", "text/plain", "");
        exit;
    }
    if (!jsonrpc_dispatch()) {
        xhttp_reply("400", "Bad Request", "text/plain", "");
    }
}
"""  # noqa: E501 - a pattern has no line breaks

_TABLES = """\
loadmodule "@MODULE@"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "auth_db.so"
loadmodule "alias_db.so"
loadmodule "domain.so"

# HA1 only: in `password` the console puts a value of its own, with which nobody signs in.
modparam("auth_db", "db_url", "@DATABASE@")
modparam("auth_db", "calculate_ha1", 0)
modparam("auth_db", "password_column", "ha1")
modparam("auth_db", "use_domain", 1)
modparam("auth_db", "load_credentials", "")
@ALGORITHM@modparam("alias_db", "db_url", "@DATABASE@")
modparam("alias_db", "use_domain", 1)
modparam("domain", "db_url", "@DATABASE@")
modparam("domain", "register_myself", 1)
# Written through, so that the console sees who is registered.
modparam("usrloc", "db_url", "@DATABASE@")
modparam("usrloc", "db_mode", 1)
modparam("usrloc", "use_domain", 1)
"""

# Every proxy has it already; it is here for completeness.
_RECORD_ROUTE = 'loadmodule "rr.so"\n'

_ALGORITHM = 'modparam("auth", "algorithm", "SHA-256")\n'

_ROUTE = """\
    if (is_method("REGISTER")) {
        if (!is_domain_local("$td")) {
            sl_send_reply("403", "Unknown Domain");
            exit;
        }
        if (!www_authenticate("$td", "subscriber")) {
            www_challenge("$td", "1");
            exit;
        }
        if ($au != $tU) {
            sl_send_reply("403", "Not Your Address");
            exit;
        }
        # With the lines for settings below: route(RTC_REGISTRATION);
        save("location");
        exit;
    }
    # Numbers become the SIP URI of their account.
    alias_db_lookup("dbaliases");
"""

_CALLS = """\
    # Behind REGISTER and what handles requests within a dialog, before record_route().
    route(RTC_CALLER);
    route(RTC_DIALLED);
    # With the lines for settings below: route(RTC_SENDER);
    # With those for forwarding, in place of all that follows: route(RTC_DELIVER);
    # Numbers become the SIP URI of their account.
    if (alias_db_lookup("dbaliases")) {
        $avp(inside) = 1;
    }
    # With the lines for settings below: route(RTC_FEDERATION); route(RTC_RECIPIENT);
    if (!lookup("location")) {
        route(RTC_OUT);
        sl_send_reply("404", "Not Found");
        exit;
    }
    if (!t_relay()) {
        sl_reply_error();
    }
    exit;
"""

_WRITTEN = (
    "subscriber", "dbaliases", "domain", "address", "dispatcher", "mtree", "uacreg", "dialplan",
    "htable", "usr_preferences",
)  # fmt: skip
_SEQUENCES = tuple(f"{table}_id_seq" for table in _WRITTEN)
_READ = ("version", "location")


def kamailio_guide(server: SipServer) -> Guide:
    """What to put in place for this server, in order; secrets are stand-ins.

    The realm of the challenges is the SIP domain; where a domain has another one, the guide's
    `$td` is that realm instead.
    """
    store = server.store
    endpoint = targets.parse_url(
        url=server.rpc_url, schemes=targets.HTTP, what="The control address"
    )
    sqlite = store.dialect == ConfigStore.Dialect.SQLITE
    known = {
        "TRANSPORT": "tls" if endpoint.scheme == "https" else "tcp",
        "PORT": str(endpoint.port),
        "PATH": quote(urlsplit(server.rpc_url).path or "/"),
        "CONSOLE": console_address(endpoint),
        "SECRET": SECRET,
        "DATABASE": f"sqlite:///{store.database}" if sqlite else DATABASE,
        "MODULE": DATABASE_MODULES[ConfigStore.Dialect(store.dialect)],
        "ADDRESS": _sip_address(server),
        "ALGORITHM": _ALGORITHM if store.algorithm == "SHA-256" else "",
    }
    sections = [
        Section(
            "Let the console in",
            "It asks for health and registrations, reloads SIP domains and ends registrations: "
            "only from its own address, only with the secret, and nothing else.",
            "kamailio.cfg",
            filled(_CONTROL, known),
        ),
        Section(
            "Read accounts, numbers and SIP domains",
            "The console writes these tables; digests only, never a password.",
            "kamailio.cfg",
            filled(_TABLES, known),
        ),
        Section(
            "Check registrations against them",
            "A realm other than the SIP domain stands in place of $td in the two checks.",
            "kamailio.cfg, in request_route",
            filled(_ROUTE, known),
        ),
        Section(
            "Read gateways, routes and trusted hosts",
            "Only where calls leave through gateways that are kept here. The tables are made by "
            "Kamailio's scripts permissions-, dispatcher-, mtree-, uac- and dialplan-create.sql.",
            "kamailio.cfg",
            filled(_RECORD_ROUTE + routing_modules(), known),
        ),
        Section(
            "Route calls by them",
            "Trusted hosts call without a password; numbers that are nobody's here go to the "
            "gateways of the longest prefix, one after the other.",
            "kamailio.cfg",
            filled(routing_routes(), known),
        ),
        Section(
            "Ask for both where requests come in",
            "In place of alias_db_lookup above, and of what checks callers now.",
            "kamailio.cfg, in request_route",
            filled(_CALLS, known),
        ),
        Section(
            "Read settings",
            "Only where the servers take settings from here. The tables are made by Kamailio's "
            "scripts htable- and avpops-create.sql.",
            "kamailio.cfg",
            filled(settings_modules(), known),
        ),
        Section(
            "Let settings take effect",
            "What nobody has given keeps the default that stands here. The values of this server "
            f"alone begin with {server.pk}. Then take the routes RTC_REGISTRATION, RTC_SENDER, "
            "RTC_FEDERATION and RTC_RECIPIENT in where the sections above name them.",
            "kamailio.cfg",
            settings_routes(server=str(server.pk)),
        ),
        Section(
            "Forward calls, ask other pools, and voicemail",
            "Only with the lines for routing and for settings. RTC_DELIVER looks numbers and "
            "accounts up itself, forwards, asks the servers of other pools for accounts that are "
            "not here, and answers: it stands last in request_route. Those servers reach this one "
            "by TLS where it has it: let Kamailio accept their certificates.",
            "kamailio.cfg",
            forwarding_routes(),
        ),
    ]
    if not sqlite:
        sections.append(_grants(store))
    return Guide(
        "For Kamailio 5.6 and later. Lines that your configuration has already stay once.",
        sections,
        "checks the configuration; then restart Kamailio.",
        "kamailio -c -f /etc/kamailio/kamailio.cfg",
    )


def _grants(store: ConfigStore) -> Section:
    why = (
        "It writes three tables, five more where it keeps the routing, two more where it gives "
        "settings, and reads two. While the store is only observed, SELECT on all of them is "
        "enough."
    )
    return rights(store, why, written=_WRITTEN, read=_READ, sequences=_SEQUENCES)


def _sip_address(server: SipServer) -> str:
    listeners = server.listeners()
    return f"{listeners[-1].host}:{listeners[-1].port}" if listeners else server.sip_host
