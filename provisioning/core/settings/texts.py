"""The forms of texts that settings hold: networks, domains, hosts, addresses, numbers."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_network
from urllib.parse import urlsplit

from provisioning.core.errors import InvalidInput
from provisioning.core.sip import check_domain, check_user_part
from provisioning.core.telephone import normalise

_PORTS = range(1, 65_536)
_BEGINNING = re.compile(r"\+([1-9][0-9]{0,14})?", re.ASCII)


def network(text: str) -> str:
    """An IPv4 or IPv6 network as address/length, such as 10.0.0.0/8."""
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise InvalidInput(
            f"“{text[:60]}” is not a network such as 10.0.0.0/8, with no bit set behind "
            "its length. Nothing was changed."
        ) from error


def domain(text: str) -> str:
    """A domain name in lower case."""
    return check_domain(text)


def host_and_port(text: str) -> str:
    """host:port, an IPv6 address in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) not in _PORTS:
        raise InvalidInput(
            f"“{text[:60]}” is not a host with its port, such as edge.example.com:5061. Nothing "
            "was changed."
        )
    if host.startswith("["):
        try:
            return f"[{IPv6Address(host.strip('[]'))}]:{int(port)}"
        except ValueError as error:
            raise InvalidInput(f"“{host[:60]}” is not an IPv6 address.") from error
    return f"{check_domain(host)}:{int(port)}"


def sip_host(text: str) -> str:
    """A host of SIP servers, with a port and a transport where they are given."""
    place, semicolon, parameter = text.partition(";")
    transport = parameter.strip().lower()
    if semicolon and transport not in ("transport=udp", "transport=tcp", "transport=tls"):
        raise InvalidInput(
            f"“{parameter[:40]}” is not a transport such as transport=tcp. Nothing was changed."
        )
    host = place.strip()
    formed = host_and_port(host) if re.search(r":\d*\Z", host) else check_domain(host)
    return f"{formed};{transport}" if transport else formed


def web_address(text: str) -> str:
    """An address that begins with https:// or http://."""
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.hostname or " " in text:
        raise InvalidInput(
            f"“{text[:60]}” is not a web address such as https://help.example.com. Nothing was "
            "changed."
        )
    return text


def sip_address(text: str) -> str:
    """A SIP URI of a user, such as sip:meet@example.com."""
    scheme, _, rest = text.rpartition("sip:")
    user, _, host = rest.partition("@")
    if scheme:
        raise InvalidInput(f"“{text[:60]}” is not a SIP URI such as sip:meet@example.com.")
    return f"sip:{check_user_part(user)}@{check_domain(host)}"


def call_target(text: str) -> str:
    """Where a call may go: a number as E.164, or a SIP URI of a user, with or without `sip:`."""
    if "@" in text:
        return sip_address(text)
    try:
        return normalise(text)
    except InvalidInput as error:
        raise InvalidInput(
            f"“{text[:40]}” is neither a number with its country code, such as +442079460000, "
            "nor a SIP URI such as sip:desk@example.com. Nothing was changed."
        ) from error


def beginning_of_numbers(text: str) -> str:
    """The first characters of E.164 numbers; + is any."""
    if not _BEGINNING.fullmatch(text):
        raise InvalidInput(
            f"“{text[:40]}” is not the beginning of numbers with a country code, such as "
            "+4420794600. Nothing was changed."
        )
    return text
