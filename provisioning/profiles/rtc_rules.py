"""Checks an RTC provisioning profile: the 1.2 schema, and the rules that no schema can express.

Findings carry the RTC Client API's own error names (Rtcerr.h), which its documentation explains.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import xmlschema
from lxml import etree

SCHEMA = Path(__file__).with_name("rtc-provisioning-1.2.xsd")

# A profile has a few hundred bytes; the rest of the room is for the data of client and provider.
MAX_DOCUMENT = 256 * 1024

CODES: dict[str, int] = {
    "RTC_E_INVALID_PROFILE": 0x80EE002E,
    "RTC_E_PROFILE_NO_PROVISION": 0x80EE002F,
    "RTC_E_PROFILE_NO_KEY": 0x80EE0030,
    "RTC_E_PROFILE_NO_NAME": 0x80EE0031,
    "RTC_E_PROFILE_NO_USER": 0x80EE0032,
    "RTC_E_PROFILE_NO_USER_URI": 0x80EE0033,
    "RTC_E_PROFILE_NO_SERVER": 0x80EE0034,
    "RTC_E_PROFILE_NO_SERVER_ADDRESS": 0x80EE0035,
    "RTC_E_PROFILE_NO_SERVER_PROTOCOL": 0x80EE0036,
    "RTC_E_PROFILE_INVALID_SERVER_PROTOCOL": 0x80EE0037,
    "RTC_E_PROFILE_INVALID_SERVER_AUTHMETHOD": 0x80EE0038,
    "RTC_E_PROFILE_INVALID_SERVER_ROLE": 0x80EE0039,
    "RTC_E_PROFILE_MULTIPLE_REGISTRARS": 0x80EE003A,
    "RTC_E_PROFILE_INVALID_SESSION": 0x80EE003B,
    "RTC_E_PROFILE_INVALID_SESSION_PARTY": 0x80EE003C,
    "RTC_E_PROFILE_INVALID_SESSION_TYPE": 0x80EE003D,
    "RTC_E_BASIC_AUTH_SET_TLS": 0x80EE003F,
    "RTC_S_ROAMING_NOT_SUPPORTED": 0x00EE0041,
    "RTC_E_PROFILE_SERVER_UNAUTHORIZED": 0x80EE0042,
    "RTC_E_MALFORMED_XML": 0x80EE004C,
    "RTC_E_NO_REALM": 0x80EE0056,
    "RTC_E_UDP_NOT_SUPPORTED": 0x80EE007E,
}
_ROLES = ("proxy", "registrar")
_PROTOCOLS = ("UDP", "TCP", "TLS")
_METHODS = ("basic", "digest", "ntlm", "kerberos", "logoncred")
_TYPES = ("pc2pc", "pc2ph", "ph2ph", "im")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in a profile that the API refuses, or (RTC_S_…) accepts with a restriction."""

    name: str
    message: str

    @property
    def refused(self) -> bool:
        """Whether the API refuses the profile over this."""
        return self.name.startswith("RTC_E_")

    def __str__(self) -> str:
        return f"{self.message} ({self.name}, 0x{CODES[self.name]:08X})"


def validate(document: bytes) -> list[Finding]:
    """What the RTC Client API would find fault with in `document`, in its order; empty when sound.

    A user URI without `sip:` is accepted, as the API does. No finding holds the password.
    """
    if len(document) > MAX_DOCUMENT:
        return [Finding("RTC_E_INVALID_PROFILE", f"It is longer than {MAX_DOCUMENT:,} bytes.")]
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, remove_pis=True
    )
    try:
        root = etree.fromstring(document, parser)
    except etree.XMLSyntaxError as error:
        place = f"line {error.lineno}, column {error.offset}"
        return [Finding("RTC_E_MALFORMED_XML", f"It is not well-formed XML at {place}.")]
    if root.getroottree().docinfo.internalDTD is not None:
        return [Finding("RTC_E_MALFORMED_XML", "A document type declaration is not allowed.")]
    if root.tag != "provision":
        return [Finding("RTC_E_PROFILE_NO_PROVISION", "The root element is not “provision”.")]
    findings = [*_provision(root), *_user(root), *_servers(root), *_authentication(root)]
    if not any(finding.refused for finding in findings):
        findings.extend(_schema_findings(root))
    return findings


def _provision(root: etree._Element) -> Iterator[Finding]:
    if not root.get("key"):
        yield Finding("RTC_E_PROFILE_NO_KEY", "“provision” has no key.")
    if not root.get("name"):
        yield Finding("RTC_E_PROFILE_NO_NAME", "“provision” has no name.")
    expires = root.get("expires")
    if expires is not None and not _is_moment(expires):
        message = "“expires” is not a date and time with its zone, such as 2027-01-31T00:00:00Z."
        yield Finding("RTC_E_INVALID_PROFILE", message)


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _user(root: etree._Element) -> Iterator[Finding]:
    users = root.findall("user")
    if len(users) != 1:
        yield Finding("RTC_E_PROFILE_NO_USER", f"It has {len(users)} users where one is needed.")
        return
    if not users[0].get("uri"):
        yield Finding("RTC_E_PROFILE_NO_USER_URI", "The user has no URI.")
    if not set("&<>\"'").isdisjoint(users[0].get("password", "")):
        message = "The password has an XML-reserved character, which the API misreads."
        yield Finding("RTC_E_INVALID_PROFILE", message)


def _servers(root: etree._Element) -> Iterator[Finding]:
    servers = root.findall("sipsrv")
    if not servers:
        yield Finding("RTC_E_PROFILE_NO_SERVER", "It names no server.")
    registrars = [server for server in servers if server.get("role") == "registrar"]
    if len(registrars) > 1:
        message = f"It has {len(registrars)} registrars; one is allowed."
        yield Finding("RTC_E_PROFILE_MULTIPLE_REGISTRARS", message)
    if any(_protocol(registrar) == "UDP" for registrar in registrars):
        message = "The registrar is reached over UDP: contacts and presence do not roam."
        yield Finding("RTC_S_ROAMING_NOT_SUPPORTED", message)
    domain = next((each.get("domain", "") for each in root.findall("accesscontrol")), None)
    for server in servers:
        yield from _server(server)
        if domain is not None and not _is_below(_host(server), domain):
            message = f"The server {_shown(server)} is outside the authorised domain {domain}."
            yield Finding("RTC_E_PROFILE_SERVER_UNAUTHORIZED", message)


def _server(server: etree._Element) -> Iterator[Finding]:
    shown = _shown(server)
    if not server.get("addr"):
        yield Finding("RTC_E_PROFILE_NO_SERVER_ADDRESS", "A server has no address.")
    if not server.get("protocol"):
        yield Finding("RTC_E_PROFILE_NO_SERVER_PROTOCOL", f"The server {shown} has no protocol.")
    elif _protocol(server) not in _PROTOCOLS:
        message = f"The protocol of {shown} is not one of {', '.join(_PROTOCOLS)}."
        yield Finding("RTC_E_PROFILE_INVALID_SERVER_PROTOCOL", message)
    if server.get("auth") not in (None, "basic", "digest"):
        message = f"“auth” of {shown} is neither basic nor digest; others go into “allowedauth”."
        yield Finding("RTC_E_PROFILE_INVALID_SERVER_AUTHMETHOD", message)
    if server.get("role") not in _ROLES:
        message = f"The role of {shown} is neither proxy nor registrar."
        yield Finding("RTC_E_PROFILE_INVALID_SERVER_ROLE", message)
    for session in server.findall("session"):
        yield from _session(session, server)


def _session(session: etree._Element, server: etree._Element) -> Iterator[Finding]:
    shown = _shown(server)
    if session.get("party") not in ("first", "third"):
        message = f"A session of {shown} has a party other than first and third."
        yield Finding("RTC_E_PROFILE_INVALID_SESSION_PARTY", message)
    elif session.get("type") not in _TYPES:
        message = f"A session of {shown} has a type other than {', '.join(_TYPES)}."
        yield Finding("RTC_E_PROFILE_INVALID_SESSION_TYPE", message)
    elif session.get("type") == "ph2ph" and session.get("party") != "third":
        message = f"Phone-phone at {shown} must be a session of the third party."
        yield Finding("RTC_E_PROFILE_INVALID_SESSION_PARTY", message)
    elif session.get("type") == "ph2ph" and (
        _protocol(server) != "TLS" or server.get("role") != "proxy"
    ):
        message = f"Phone-phone needs a TLS proxy, which {shown} is not."
        yield Finding("RTC_E_PROFILE_INVALID_SESSION", message)


def _authentication(root: etree._Element) -> Iterator[Finding]:
    """The rules between authentication methods, transports and the realm."""
    user = root.find("user")
    allowed = None if user is None else user.get("allowedauth")
    protocols = {_protocol(server) for server in root.findall("sipsrv")}
    # `allowedauth` overrides what the servers say.
    if allowed is not None:
        methods = set(allowed.split())
        unknown = methods.difference(_METHODS)
        if unknown:
            message = f"“allowedauth” has a method other than {', '.join(_METHODS)}."
            yield Finding("RTC_E_PROFILE_INVALID_SERVER_AUTHMETHOD", message)
        basic = "basic" in methods
        basic_over = protocols if basic else set()
    else:
        methods = {auth for server in root.findall("sipsrv") if (auth := server.get("auth"))}
        basic = "basic" in methods
        basic_over = {_protocol(s) for s in root.findall("sipsrv") if s.get("auth") == "basic"}
    if basic_over - {"TLS"}:
        message = "Basic authentication sends the password and needs TLS at every server it is for."
        yield Finding("RTC_E_BASIC_AUTH_SET_TLS", message)
    if "UDP" in protocols and methods - {"digest", "basic"}:
        message = "With a UDP server digest is the only authentication; others need TCP or TLS."
        yield Finding("RTC_E_UDP_NOT_SUPPORTED", message)
    if basic and (user is None or not user.get("realm")):
        yield Finding("RTC_E_NO_REALM", "Basic authentication needs the user's realm.")


def _schema_findings(root: etree._Element) -> Iterator[Finding]:
    user = root.find("user")
    uri = "" if user is None else user.get("uri", "")
    if user is not None and uri and not uri.lower().startswith("sip:"):
        user.set("uri", f"sip:{uri}")
    errors: Iterable[xmlschema.XMLSchemaValidationError] = _schema().iter_errors(root)
    for error in errors:
        yield Finding("RTC_E_INVALID_PROFILE", f"{error.path or '/'}: {error.reason}")


@cache
def _schema() -> xmlschema.XMLSchema11:
    """The schema, compiled on first use: it takes longer than a thousand validations."""
    return xmlschema.XMLSchema11(SCHEMA)


def _protocol(server: etree._Element) -> str:
    return server.get("protocol", "").upper()


def _host(server: etree._Element) -> str:
    host, colon, port = server.get("addr", "").rpartition(":")
    return (host if colon and port.isdecimal() else server.get("addr", "")).lower()


def _is_below(host: str, domain: str) -> bool:
    domain = domain.lower()
    return host == domain or host.endswith(f".{domain}")


def _shown(server: etree._Element) -> str:
    return f"“{server.get('addr', '')[:80]}”"
