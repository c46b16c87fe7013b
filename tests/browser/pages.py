"""Every page of the console, found by following its links as a signed-in person could."""

from __future__ import annotations

import re
from collections import deque
from html import unescape
from urllib.parse import urljoin, urlsplit

from django.test import Client
from django.urls import Resolver404, resolve

_LINK = re.compile(r'<a [^>]*?href="([^"]+)"', re.DOTALL)
_START = "/"


def every_page(client: Client) -> list[str]:
    """One address for each name of an address that answers with a page, in order of discovery."""
    found: list[str] = []
    seen: set[str] = set()
    waiting = deque([_START])
    while waiting:
        path = waiting.popleft()
        name = _name_of(path)
        if not name or name in seen:
            continue
        seen.add(name)
        response = client.get(path)
        if response.status_code != 200 or "text/html" not in response["Content-Type"]:
            assert response.status_code < 400, f"{path} answers {response.status_code}"
            continue
        found.append(path)
        links = _LINK.findall(response.content.decode())
        waiting.extend(urlsplit(urljoin(path, unescape(link))).path for link in links)
    return found


def _name_of(path: str) -> str | None:
    try:
        return resolve(path).url_name
    except Resolver404:
        return None
