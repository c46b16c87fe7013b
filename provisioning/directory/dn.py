"""Distinguished names in one spelling (RFC 4514): those of one entry are equal as texts."""

from __future__ import annotations

import re
import unicodedata

# What can be spelled in several ways beyond case: escapes, quotes, several pairs in one component,
# spaces next to a separator or in a row. All other DNs, nearly all there are, need no parsing.
_SPELLED = re.compile(r'[\\"+<>;\t-\r\x1c-\x1f]|  |[,=] | [,=]|^ | $')
_PIECE = re.compile(
    r'\\(?P<hex>[0-9a-fA-F]{2})|\\(?P<char>.)|(?P<mark>[,;+="])|(?P<text>[^\\,;+="]+|\\)', re.DOTALL
)
_SPECIAL = re.compile(r'([\\",+;<>])')
_SPACES = re.compile(r"[ \t-\r\x1c-\x1f]+")


def normalise_dn(dn: str) -> str:
    """`dn` for comparison: lower case, escapes resolved, no space that does not count.

    Never raises: a text that is no DN becomes a text that equals no entry's.
    """
    if _SPELLED.search(dn) is None:
        if dn.isascii():
            return dn.lower()
        if unicodedata.is_normalized("NFKC", dn):
            return _fold(dn)
    return ",".join("+".join(sorted(pairs)) for pairs in _components(dn))


def _components(dn: str) -> list[list[str]]:
    """The components from left to right, each as its `type=value` pairs in one spelling."""
    components: list[list[str]] = [[]]
    kind: bytes | None = None
    value = b""
    quoted = False
    for piece in _PIECE.finditer(dn):
        mark = piece["mark"]
        if mark is None:
            value += _literal(piece)
        elif mark == '"':
            quoted = not quoted
        elif quoted or (mark == "=" and kind is not None):
            value += mark.encode()
        elif mark == "=":
            kind, value = value, b""
        else:
            components[-1].append(_pair(kind or b"", value))
            kind, value = None, b""
            if mark != "+":
                components.append([])
    components[-1].append(_pair(kind or b"", value))
    return components


def _literal(piece: re.Match[str]) -> bytes:
    if piece["hex"]:
        return bytes.fromhex(piece["hex"])
    return (piece["char"] or piece["text"]).encode("utf-8", "replace")


def _pair(kind: bytes, value: bytes) -> str:
    text = unicodedata.normalize("NFKC", value.decode("utf-8", "replace"))
    single = _SPACES.sub(" ", _fold(text)).strip(" ")
    escaped = _SPECIAL.sub(r"\\\1", single)
    return f"{kind.decode('utf-8', 'replace').strip().lower()}={escaped}"


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text.casefold())
