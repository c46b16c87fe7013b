"""Somebody at the console's pages, mostly an administrator, as a browser sends and gets them."""

import re
from types import TracebackType
from typing import Self

import httpx

from lab.process import LabError

TOKEN = re.compile(r'name="csrfmiddlewaretoken"\s+value="([^"]+)"')
ACCOUNT = re.compile(r'href="/accounts/(\d+)/"')
LINK = re.compile(r"https://localhost:\d+/p/[\w-]+")


class Administrator:
    """Signed in on entry; every method raises LabError when the console does not do it."""

    def __init__(self, address: str, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._http = httpx.Client(base_url=address, follow_redirects=True, timeout=60.0)
        self._token = ""

    def __enter__(self) -> Self:
        self._token = _found(TOKEN, self._page("/sign-in/"), "the sign-in form")
        page = self._post("/sign-in/", {"username": self._user, "password": self._password})
        self._token = _found(TOKEN, page, "a form on the overview")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._http.close()

    def find_account(self, sip_uri: str) -> int:
        """The console's id of the one account that a search for the SIP URI shows."""
        found = set(ACCOUNT.findall(self._page("/accounts/", q=sip_uri)))
        if len(found) != 1:
            raise LabError(f"the console shows {len(found)} accounts for {sip_uri}")
        return int(found.pop())

    def account_page(self, account: int) -> str:
        return self._page(f"/accounts/{account}/")

    def registrations(self, account: int) -> str:
        """The card of live registrations on the page of an account."""
        return self._page(f"/accounts/{account}/registrations/")

    def make_link(self, account: int, document: str) -> str:
        """Makes a one-time provisioning link; returns its address."""
        page = self._post(f"/accounts/{account}/links/new/", {"format": document, "hours": "24"})
        return _found(LINK, page, "the new link")

    def is_signed_in(self) -> bool:
        """Whether the session still lets somebody in."""
        return self._http.get("/", follow_redirects=False).status_code == httpx.codes.OK

    def _page(self, path: str, **query: str) -> str:
        return _text(self._http.get(path, params=query))

    def _post(self, path: str, values: dict[str, str]) -> str:
        return _text(self._http.post(path, data={"csrfmiddlewaretoken": self._token, **values}))


def _text(response: httpx.Response) -> str:
    if response.status_code != httpx.codes.OK:
        raise LabError(f"the console answered {response.status_code} at {response.url.path}")
    return response.text


def _found(pattern: re.Pattern[str], page: str, what: str) -> str:
    found = pattern.search(page)
    if found is None:
        raise LabError(f"the console's page has no {what}")
    return found[found.re.groups]
