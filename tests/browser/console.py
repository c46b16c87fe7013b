"""The console in a real browser: opening pages, using them, what the browser complains about."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

AXE = Path(__file__).parent.parent / "web" / "vendor" / "axe.min.js"
WIDE, NARROW = (1280, 900), (390, 844)
PATIENCE = 30.0
_BAD = ("WARNING", "SEVERE")
# After htmx has swapped, its classes are gone and scripts have run.
_SETTLED = """
return document.readyState === "complete"
    && !document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added")
"""
_AXE = """
const [only, done] = arguments;
const options = {preload: false, resultTypes: ["violations"]};
if (only.length) options.runOnly = {type: "rule", values: only};
axe.run(document, options).then(
  (found) => done(found.violations.map(({id, nodes}) =>
    `${id}: ` + nodes.slice(0, 3).map((node) => node.target.join(" ") + " — "
      + (node.any.concat(node.all, node.none)[0]?.message ?? "")).join(" | "))),
  (error) => done([`axe failed: ${error}`]),
);
"""
_TOO_WIDE = """
const width = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth <= width) return [];
return [...document.querySelectorAll("main *")]
  .filter((element) => element.getBoundingClientRect().right > width + 1)
  .slice(0, 5).map((element) => element.tagName.toLowerCase() + "." + element.className);
"""
# A column that leaves a sentence a word, or a letter, a line.
_SQUEEZED = """
return [...document.querySelectorAll("main *")].filter((element) => {
  const {width, height} = element.getBoundingClientRect();
  return width > 0 && width < 60 && height > 90 && element.textContent.trim().length > 12;
}).slice(0, 5).map((element) => element.textContent.trim().slice(0, 60));
"""


class Console:
    """One browser tab in which the console at `address` is used."""

    def __init__(self, browser: Chrome, address: str) -> None:
        self.browser = browser
        self.address = address

    def sign_in(self, cookie: str, value: str) -> None:
        """Carry on the session of somebody who signed in elsewhere."""
        known = {"name": cookie, "value": value, "url": self.address}
        self.browser.execute_cdp_cmd("Network.setCookie", known)

    def open(self, path: str) -> None:
        """Load a page, with everything that it loads by itself."""
        self.browser.get(self.address + path)
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is under way."""
        self.wait(lambda: self.browser.execute_script(_SETTLED), "the page settles")

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        """Wait until the condition holds; TimeoutException says `what` did not come.

        What is replaced while it is looked at is looked for again.
        """
        ignored = [StaleElementReferenceException]
        WebDriverWait(self.browser, PATIENCE, 0.03, ignored).until(
            lambda _: condition(), f"waiting for: {what}\n{self.text[:500]}"
        )

    def wait_for_text(self, text: str) -> None:
        """Wait until a text can be read on the page."""
        self.wait(lambda: text in self.text, repr(text))

    @property
    def text(self) -> str:
        """What can be read now; empty while a page is being replaced."""
        script = "return document.body ? document.body.innerText : ''"
        return str(self.browser.execute_script(script))

    @property
    def path(self) -> str:
        """Where the tab is."""
        return self.browser.current_url.removeprefix(self.address)

    def find(self, css: str) -> WebElement:
        """The first element that can be seen; waits for it."""
        found: list[WebElement] = []

        def look() -> bool:
            found[:] = [each for each in self.all(css) if each.is_displayed()]
            return bool(found)

        self.wait(look, css)
        return found[0]

    def all(self, css: str) -> list[WebElement]:
        """Every element, seen or not."""
        return self.browser.find_elements(By.CSS_SELECTOR, css)

    def button(self, label: str, within: str = "") -> WebElement:
        """The button or link that can be seen and has this label."""
        kinds = f"{within} button, {within} a, {within} summary"
        found: list[WebElement] = []

        def look() -> bool:
            found[:] = [
                each
                for each in self.all(kinds)
                if each.is_displayed() and each.text.strip() == label
            ]
            return bool(found)

        self.wait(look, f"the button {label}")
        return found[0]

    def press(self, *keys: str) -> None:
        """Press keys one after the other, wherever the focus is."""
        ActionChains(self.browser).send_keys(*keys).perform()

    def press_with(self, held: str, key: str) -> None:
        """Press a key while another one is held down."""
        ActionChains(self.browser).key_down(held).send_keys(key).key_up(held).perform()

    def resize(self, size: tuple[int, int]) -> None:
        """Give the page this width and height in CSS pixels."""
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False},
        )

    def switch_theme(self, theme: str) -> None:
        """Show the page light or dark, without the time that a transition takes."""
        self.browser.execute_script(
            "document.documentElement.dataset.bsTheme = arguments[0]", theme
        )

    def violations(self, *only: str) -> list[str]:
        """What axe finds on the page, by all of its rules or by some."""
        if not self.browser.execute_script("return 'axe' in window"):
            self.browser.execute_script(_axe())
        found: list[str] = self.browser.execute_async_script(_AXE, list(only))
        return [f"axe, {self._view()}: {each}" for each in found]

    def overflow(self) -> list[str]:
        """What makes the page scroll sideways."""
        found: list[str] = self.browser.execute_script(_TOO_WIDE)
        return [f"too wide, {self._view()}: {each}" for each in found]

    def squeezed(self) -> list[str]:
        """Texts that have hardly any room to the side."""
        found: list[str] = self.browser.execute_script(_SQUEEZED)
        return [f"squeezed, {self._view()}: {each}" for each in found]

    def complaints(self) -> list[str]:
        """What the browser logged since the last call: errors in scripts, refused resources."""
        entries: list[dict[str, str]] = self.browser.get_log("browser")  # type: ignore[no-untyped-call]
        return [f"browser: {entry['message']}" for entry in entries if entry["level"] in _BAD]

    def _view(self) -> str:
        script = "return document.documentElement.dataset.bsTheme + ' ' + innerWidth"
        return str(self.browser.execute_script(script))


@cache
def _axe() -> str:
    return AXE.read_text()
