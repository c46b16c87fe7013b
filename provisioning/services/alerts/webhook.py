"""Alerts by webhook: signed, to an address that was judged, within a time that holds."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import httpx
from django.conf import settings

from provisioning.core.errors import Rejected, Unreachable
from provisioning.core.text import clean_line
from provisioning.models import AlertChannel
from provisioning.services.servers import targets

WHAT = "The webhook's address"
_SAID = 200


def signature(*, secret: str, timestamp: str, body: bytes) -> str:
    """What a receiver computes too: HMAC-SHA-256 over time and body, so that neither is forged."""
    said = timestamp.encode() + b"." + body
    return f"sha256={hmac.new(secret.encode(), said, hashlib.sha256).hexdigest()}"


def post(channel: AlertChannel, payload: dict[str, Any], message_id: str) -> None:
    """POST the payload as JSON; any 2xx is an arrival.

    The address is judged and pinned at every call; redirects are not followed. Raises Unreachable
    or Rejected with the receiver's words, InvalidInput where the address is refused.
    """
    endpoint = targets.parse_url(url=channel.url, schemes=targets.HTTP, what=WHAT)
    addresses = targets.check_target(host=endpoint.host, port=endpoint.port, what=WHAT)
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "rtcadmin",
        "X-Rtcadmin-Delivery": message_id,
        "X-Rtcadmin-Timestamp": timestamp,
    }
    if secret := channel.secret():
        headers["X-Rtcadmin-Signature"] = signature(secret=secret, timestamp=timestamp, body=body)
    try:
        status, said = asyncio.run(_exchange(channel, addresses, body, headers))
    except (TimeoutError, httpx.TimeoutException) as error:
        raise Unreachable(f"{endpoint.host} did not answer in time.") from error
    except ssl.SSLError as error:
        raise Rejected(f"{endpoint.host}, TLS: {error.reason or error}") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise Unreachable(f"{endpoint.host} cannot be reached: {_words(error)}") from error
    if not 200 <= status < 300:
        raise Rejected(f"{endpoint.host} answered with HTTP status {status}: {said}")


async def _exchange(
    channel: AlertChannel, addresses: Sequence[str], body: bytes, headers: dict[str, str]
) -> tuple[int, str]:
    context = ssl.create_default_context(cadata=channel.ca_pem or None)
    async with (
        asyncio.timeout(settings.ALERT_TIMEOUT),
        httpx.AsyncClient(
            verify=context, follow_redirects=False, trust_env=False, timeout=settings.ALERT_TIMEOUT
        ) as client,
    ):
        *others, last = addresses
        for address in others:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await _ask(client, channel.url, address, body, headers)
        return await _ask(client, channel.url, last, body, headers)


async def _ask(
    client: httpx.AsyncClient, url: str, address: str, body: bytes, headers: dict[str, str]
) -> tuple[int, str]:
    """Connects to `address`; TLS and the request go to the name."""
    named = httpx.URL(url)
    exchange = client.stream(
        "POST",
        named.copy_with(host=address),
        content=body,
        headers={**headers, "Host": named.netloc.decode("ascii")},
        extensions={"sni_hostname": named.host},
    )
    async with exchange as response:
        said = b""
        async for piece in response.aiter_raw():
            said += piece
            if len(said) > _SAID:
                break
        return response.status_code, clean_line(said[:_SAID].decode(errors="replace"))


def _words(error: Exception) -> str:
    return clean_line(str(error))[:_SAID] or type(error).__name__
