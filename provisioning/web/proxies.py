"""Whose word counts on where a request came from: only that of proxies that were named."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse

_FORWARDED_FOR = "HTTP_X_FORWARDED_FOR"

Address = IPv4Address | IPv6Address


class TrustedProxies:
    """Makes REMOTE_ADDR the client's address, and forgets what others than trusted proxies claim.

    The first of all middleware: whatever reads an address or the scheme reads what is left here.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        meta = request.META
        forwarded = meta.pop(_FORWARDED_FOR, "")
        peer = _address(meta.get("REMOTE_ADDR", ""))
        if peer is not None and _is_trusted(peer):
            meta["REMOTE_ADDR"] = str(_client(peer, forwarded))
        elif settings.SECURE_PROXY_SSL_HEADER:
            meta.pop(settings.SECURE_PROXY_SSL_HEADER[0], None)
        return self.get_response(request)


def _client(peer: Address, forwarded: str) -> Address:
    """The right-most address that is no trusted proxy: each of them appends whom it heard from.

    What stands left of it, or of something that is no address, anybody may have written.
    """
    client = peer
    for text in reversed(forwarded.split(",")):
        heard_from = _address(text)
        if heard_from is None:
            break
        client = heard_from
        if not _is_trusted(client):
            break
    return client


def _is_trusted(address: Address) -> bool:
    return any(address in network for network in settings.TRUSTED_PROXIES)


def _address(text: str) -> Address | None:
    """The address, out of `address`, `address:port`, `[address]` or `[address]:port`."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
