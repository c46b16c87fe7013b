"""Text: what may stand in a name, how names sort, how search compares."""

from __future__ import annotations

import re
import unicodedata

from provisioning.core.errors import InvalidInput

# Everything that some consumer (str.splitlines, INI readers, phones) takes for the end of a line.
LINE_BREAKS = re.compile("[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
# Control and format characters that have no place in a name (bidirectional overrides among them).
CONTROLS = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_SPACES = re.compile(r"\s+")


def clean_line(value: str) -> str:
    """One printable line of a directory value: line breaks and controls become spaces, ends are trimmed.

    Used where a value is only shown. Where a value decides something, `require_line` refuses instead.
    """
    if value.isascii() and value.isprintable():
        return value.strip()
    value = CONTROLS.sub("", LINE_BREAKS.sub(" ", value))
    return _SPACES.sub(" ", value).strip()


def require_line(value: str, what: str) -> str:
    """`value` itself; raises InvalidInput when it holds a line break or a control character."""
    if LINE_BREAKS.search(value) or CONTROLS.search(value):
        raise InvalidInput(
            f"{what} contains a line break or a control character. Nothing was changed; "
            "remove the character and try again."
        )
    return value


def fold(value: str) -> str:
    """`value` for comparison: compatibility-decomposed, without accents, case-folded, single-spaced."""
    if value.isascii():
        return _SPACES.sub(" ", value.lower()).strip()
    decomposed = unicodedata.normalize("NFKD", value)
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return _SPACES.sub(" ", bare.casefold()).strip()


def search_key(*values: str) -> str:
    """What the search box compares with: the folded values in one line, joined by a space."""
    return fold(" ".join(v for v in values if v))


def ascii_fold(value: str) -> str:
    """`value` in ASCII where a plain decomposition exists (`Müller` → `Muller`); other letters are dropped."""
    table = {"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "Æ": "AE", "œ": "oe",
             "đ": "d", "Đ": "D", "ı": "i", "þ": "th", "ð": "d"}  # fmt: skip
    if value.isascii():
        return value
    replaced = "".join(table.get(c, c) for c in value)
    decomposed = unicodedata.normalize("NFKD", replaced)
    return decomposed.encode("ascii", "ignore").decode()
