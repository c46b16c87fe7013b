"""Text: what may stand in a name, how names sort, how search compares."""

from __future__ import annotations

import re
import unicodedata

from provisioning.core.errors import InvalidInput

# Everything that some consumer (str.splitlines, INI readers, phones) takes for the end of a line.
LINE_BREAKS = re.compile("[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
# Control and format characters that have no place in a name (bidirectional overrides among them).
# Surrogates and the two non-characters can be written neither in UTF-8 nor in XML.
CONTROLS = re.compile(
    "[\x00-\x09\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff"
    "\ud800-\udfff]"
)
_SPACES = re.compile(r"\s+")
# Latin letters that no normalisation form takes apart.
_LATIN = str.maketrans(
    {
        "ß": "ss", "ẞ": "SS", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "Æ": "AE",
        "œ": "oe", "Œ": "OE", "đ": "d", "Đ": "D", "\u0131": "i", "þ": "th", "Þ": "Th",
        "ð": "d", "Ð": "D",
    }
)  # fmt: skip


def clean_line(value: str) -> str:
    """One printable line of a directory value: breaks become single spaces, controls are dropped.

    Used where a value is only shown. Where a value decides something, `require_line` refuses.
    """
    if value.isascii() and value.isprintable() and "  " not in value:
        return value.strip()
    return " ".join(CONTROLS.sub("", _SPACES.sub(" ", value)).split())


def require_line(value: str, what: str) -> str:
    """`value` itself; raises InvalidInput when it holds a line break or a control character."""
    if value.isascii() and value.isprintable():
        return value
    if LINE_BREAKS.search(value) or CONTROLS.search(value):
        raise InvalidInput(
            f"{what} contains a line break or a control character. Nothing was changed; "
            "remove the character and try again."
        )
    return value


def counted(count: int, noun: str) -> str:
    """So many of something: 1 row, 1,200 rows."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def fold(value: str) -> str:
    """`value` for comparison: no accents, no compatibility forms, case-folded, single-spaced."""
    if value.isascii():
        return " ".join(value.lower().split())
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", value).casefold())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).split())


def search_key(*values: str) -> str:
    """What the search box compares with: the folded values in one line, joined by a space."""
    return fold(" ".join(v for v in values if v))


def ascii_fold(value: str) -> str:
    """`value` in ASCII: accents come off (`Müller` → `Muller`), unknown letters are dropped."""
    if value.isascii():
        return value
    decomposed = unicodedata.normalize("NFKD", value.translate(_LATIN))
    return decomposed.encode("ascii", "ignore").decode()
