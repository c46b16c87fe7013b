"""How long the accounts list takes at 100,000 accounts: whole pages over HTTP, signed in."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from http.client import HTTPConnection
from itertools import count, islice
from urllib.parse import urlencode

from bench.console import DATABASES, BenchConsole, bench_console
from bench.names import DOMAINS, PASSWORD, PEOPLE, RARE, RARE_SURNAME, USER, user_part_of
from bench.processor import processor_seconds
from lab.ports import HOST

WORKERS, CLIENTS = 2, 4
# Requests of each case, and pages that are followed from the first one to get to a deep one.
REQUESTS, DEEP = 200, 1000
LIST = "/accounts/"
# The console counts the hits of a search no further.
COUNTED = 1000
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_NEXT = re.compile(r'href="([^"]+)"[^>]*rel="next"', re.DOTALL)
_TOTAL = re.compile(r"data-summary.*?<b>([0-9,]+)</b>", re.DOTALL)


def measure() -> dict[str, float]:
    """Milliseconds, `web.users_ms.<p50|p95>.<case>.<database>`.

    And `web.users_cpu_ms.<case>.<database>`: of a processor, for one page, web server and database.
    """
    figures: dict[str, float] = {}
    for database in DATABASES:
        with bench_console(database) as console:
            console.fill()
            with console.serving(workers=WORKERS) as web:
                figures |= _measure_list(console, database, [web, *console.work])
    return figures


def _measure_list(console: BenchConsole, database: str, work: list[int]) -> dict[str, float]:
    cookie = _sign_in(console)
    figures: dict[str, float] = {}
    for case, (addresses, total) in _cases(console, cookie).items():
        lot = list(islice(addresses, REQUESTS))
        _time_share(console.port, cookie, lot[: 2 * WORKERS], total)
        before = processor_seconds(work)
        milliseconds = _time_requests(console, cookie, lot, total)
        spent = (processor_seconds(work) - before) * 1000 / len(lot)
        figures[f"web.users_cpu_ms.{case}.{database}"] = round(spent, 1)
        for share in (50, 95):
            key = f"web.users_ms.p{share}.{case}.{database}"
            figures[key] = round(percentile(milliseconds, share), 1)
    return figures


def _cases(console: BenchConsole, cookie: str) -> dict[str, tuple[Iterator[str], int]]:
    """The addresses of each case, and how many accounts the page must speak of."""
    turn = count()
    ones = (_search(user_part_of(n * 37 % PEOPLE + 1)) for n in turn)
    return {
        "first": (_again(LIST), PEOPLE),
        "deep": (_again(*islice(_deep_pages(console, cookie), DEEP, DEEP + 10)), PEOPLE),
        "hit1": (ones, 1),
        "hit100": (_again(_search(RARE_SURNAME)), PEOPLE // RARE),
        "hit50000": (_again(_search(DOMAINS[0])), min(PEOPLE // 2, COUNTED)),
        "miss": ((_search(f"nobody {n}") for n in turn), 0),
    }


def _again(*addresses: str) -> Iterator[str]:
    """The addresses, over and over."""
    return (addresses[n % len(addresses)] for n in count())


def _search(text: str) -> str:
    return f"{LIST}?{urlencode({'q': text})}"


def _deep_pages(console: BenchConsole, cookie: str) -> Iterator[str]:
    """The addresses of page 1, 2, 3, …, found by following the link to the next page."""
    client = _Client(console.port, cookie)
    address = LIST
    while True:
        yield address
        found = _NEXT.search(client.get(address, "HX-Request"))
        if not found:
            raise AssertionError(f"{address} leads to no further page")
        address = LIST + unescape(found[1])


def _time_requests(
    console: BenchConsole, cookie: str, lot: Sequence[str], total: int
) -> list[float]:
    """Milliseconds of each request by clients that ask at the same time."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        shares = [lot[start::CLIENTS] for start in range(CLIENTS)]
        jobs = [clients.submit(_time_share, console.port, cookie, each, total) for each in shares]
        return [each for job in jobs for each in job.result()]


def _time_share(port: int, cookie: str, addresses: Sequence[str], total: int) -> list[float]:
    client = _Client(port, cookie)
    return [_time_one(client, address, total) for address in addresses]


def _time_one(client: _Client, address: str, total: int) -> float:
    begin = time.perf_counter()
    page = client.get(address)
    milliseconds = (time.perf_counter() - begin) * 1000
    found = _TOTAL.search(page)
    if (found[1] if found else "0") != f"{total:,}":
        raise AssertionError(f"{address} must find {total:,} accounts")
    return milliseconds


class _Client:
    """A browser in which somebody is signed in; each page is fetched on a connection of its own."""

    def __init__(self, port: int, cookie: str) -> None:
        self.port = port
        self.cookie = cookie

    def get(self, address: str, *headers: str) -> str:
        """The page at `address`; raises AssertionError unless there is one."""
        connection = HTTPConnection(HOST, self.port, timeout=30.0)
        try:
            more = dict.fromkeys(headers, "true")
            connection.request("GET", address, headers={"Cookie": self.cookie, **more})
            response = connection.getresponse()
            page = response.read().decode()
        finally:
            connection.close()
        if response.status != 200:
            raise AssertionError(f"{address} answers {response.status}")
        return page


def _sign_in(console: BenchConsole) -> str:
    """Signs in as a person does; returns the value of the Cookie header from then on."""
    page, cookie = _exchange(console, "GET")
    token = _TOKEN.search(page)
    if token is None:
        raise AssertionError("there is no form to sign in with")
    fields = {"csrfmiddlewaretoken": token[1], "username": USER, "password": PASSWORD}
    return _exchange(console, "POST", urlencode(fields), cookie)[1]


def _exchange(
    console: BenchConsole, method: str, body: str | None = None, cookie: str = ""
) -> tuple[str, str]:
    """A page, and the cookies that came with it."""
    connection = HTTPConnection(HOST, console.port, timeout=30.0)
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": cookie,
        "Origin": console.address,
    }
    connection.request(method, "/sign-in/", body, headers)
    response = connection.getresponse()
    page = response.read().decode()
    connection.close()
    cookies = response.headers.get_all("Set-Cookie") or []
    return page, "; ".join(each.partition(";")[0] for each in cookies)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that at least `share` percent of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]
