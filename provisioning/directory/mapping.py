"""From a directory entry to a person's fields, by the expressions of a source."""

from __future__ import annotations

import hashlib
import marshal
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from provisioning.core.errors import InvalidInput
from provisioning.core.expression import MAX_RESULT, Expression
from provisioning.core.expression_functions import REGION
from provisioning.core.moments import read_moment
from provisioning.core.records import KINDS, LEFT_OUT, PERSON_FIELDS, PERSON_FLAGS, Entry
from provisioning.core.text import clean_line, fold, require_line
from provisioning.directory.attributes import BINARY, compile_reading

MAX_LENGTH = 200
# The "disabled" of each kind that is no person; a kind without one is disabled as persons are.
DISABLED_OF = {kind: "disabled_" + re.sub("[ -]", "_", kind) for kind in KINDS[1:]}
# Everything that the attribute map of a source may hold, in the order of the forms.
MAP_FIELDS = (*PERSON_FIELDS, *PERSON_FLAGS[1:], *DISABLED_OF.values())

# A shortened one of these is another person or another telephone; all other fields are only shown.
_UNCUT = frozenset({
    "login", "mail", "phone", "mobile", "employee_id", "sip_address", "extension",
})  # fmt: skip
# In these a line break or an invisible character is refused. From telephone numbers it is removed,
# because such characters come with every number that was pasted from a document.
_EXACT = _UNCUT - {"phone", "mobile"}
_NAME = re.compile(r"\s*[A-Za-z][A-Za-z0-9_.;-]*\s*")
# What every entry has of which such a function is asked.
_ALWAYS_THERE = re.compile(r"\b(?:bit|filetime)\(\s*([A-Za-z][A-Za-z0-9_.;-]*)", re.IGNORECASE)

# The last format in which equal values always give equal bytes.
_MARSHAL_VERSION = 2

Raw = Mapping[str, list[bytes]]
Decoded = dict[str, list[str]]
Read = Callable[[Raw, Decoded], str]


@dataclass(frozen=True, slots=True)
class MappedPerson:
    """What a source says of one person.

    `fields` has every one of PERSON_FIELDS, in order, and `flags` every one of PERSON_FLAGS; of an
    entry that is left out only `kind` is known.
    """

    fields: dict[str, str]
    flags: dict[str, bool]

    @property
    def disabled(self) -> bool:
        """Whether the directory says that the person is disabled."""
        return self.flags["disabled"]

    @property
    def is_left_out(self) -> bool:
        """Whether the entry stands for nobody who could have an account."""
        return self.fields["kind"] == LEFT_OUT


class PersonMapping:
    """A source's compiled expressions; `attributes` are the names that they read, in lower case.

    `also` is asked for besides. `regions` are the countries that offices stand in, by the folded
    office: how `e164` without a country reads national numbers.
    """

    def __init__(
        self,
        fields: Mapping[str, Expression],
        disabled: Expression,
        also: Iterable[str] = (),
        regions: Mapping[str, str] | None = None,
    ) -> None:
        expressions = [*fields.values(), disabled]
        names = {name for each in expressions for name in each.names}
        self._hashed = tuple(sorted(names))
        self.attributes = tuple(sorted({*names, *also}))
        self._regions = regions or {} if any(each.needs_region for each in expressions) else None
        self._seed = _seed(fields, disabled, self._regions)
        self._fields = [
            (field, _reading(fields.get(field)), _finishing(field))
            for field in PERSON_FIELDS
            if field in fields and field != "kind"
        ]
        self._kind = _reading(fields.get("kind"))
        self._office, self._country = (_reading(fields.get(f)) for f in ("office", "country"))
        told_by = fields["kind"].names if "kind" in fields else frozenset()
        of_kind = {kind: fields.get(DISABLED_OF.get(kind, ""), disabled) for kind in KINDS}
        self._disabled = {kind: (each, _needed(each) - told_by) for kind, each in of_kind.items()}
        self._expires_by = _needed(fields["expires_at"]) if "expires_at" in fields else frozenset()
        self._flags = [(name, fields[name]) for name in PERSON_FLAGS[1:] if name in fields]
        spoken = {name for each in expressions if not _is_name(each) for name in each.names}
        spoken.update(disabled.names, *(each.names for _, each in self._flags))
        spoken.update(*(each.names for each, _ in self._disabled.values()))
        self._decoded = sorted(spoken - BINARY.keys())
        self._converted = sorted(names & BINARY.keys())

    @property
    def identity(self) -> bytes:
        """16 bytes that are others when this mapping may read an entry otherwise."""
        return self._seed.digest()

    def digest(self, entry: Entry) -> bytes:
        """16 bytes that change with the DN, a value that is read, or the mapping itself.

        The order of values does not count: a directory may give them in any (RFC 4512 section 2.5).
        """
        found = map(entry.attributes.get, self._hashed)
        values = [sorted(each) if each and len(each) > 1 else each for each in found]
        digest = self._seed.copy()
        # Lengths stand before all texts, so that nothing inside a value looks like its end.
        digest.update(marshal.dumps((entry.dn, values), _MARSHAL_VERSION))
        return digest.digest()

    def record(self, entry: Entry) -> MappedPerson:
        """The person; raises InvalidInput where this entry cannot be used, others still can.

        Values are single lines. Fields that are only shown are cut at 200 characters; a login,
        address, number or employee id that is longer is refused.
        """
        raw = entry.attributes
        try:
            decoded = {n: [v.decode() for v in raw[n]] for n in self._decoded if n in raw}
            for name in self._converted:
                decoded[name] = [BINARY[name](value) for value in raw.get(name, ())]
            kind = finish_kind(self._kind(raw, decoded))
            if kind == LEFT_OUT:
                return MappedPerson({"kind": kind}, {})
            if self._regions is not None:
                office, country = self._office(raw, decoded), self._country(raw, decoded)
                decoded[REGION] = [find_region(self._regions, office, country)]
            fields = _NO_FIELDS.copy()
            for name, read, finish in self._fields:
                value = read(raw, decoded)
                if value:
                    fields[name] = finish(value)
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{self._undecodable(raw)} is not UTF-8 text.") from error
        fields["kind"] = kind
        return MappedPerson(fields, self._flags_of(kind, raw, decoded))

    def _flags_of(self, kind: str, raw: Raw, decoded: Decoded) -> dict[str, bool]:
        disabled, needed = self._disabled[kind]
        for name in needed:
            # The bind account may have lost the right to read it: that enables nobody.
            if not raw.get(name):
                raise InvalidInput(f"{name} is missing, so nobody knows who is disabled.")
        for name in self._expires_by:
            if not raw.get(name):
                raise InvalidInput(f"{name} is missing, so nobody knows who expires when.")
        flags = _NO_FLAGS.copy()
        flags["disabled"] = bool(disabled(decoded))
        for name, expression in self._flags:
            flags[name] = bool(expression(decoded))
        return flags

    def _undecodable(self, raw: Raw) -> str:
        for name in self._hashed:
            for value in raw.get(name, ()) if name not in BINARY else ():
                try:
                    value.decode()
                except UnicodeDecodeError:
                    return name
        raise AssertionError("every attribute can be decoded")


_NO_FIELDS = dict.fromkeys(PERSON_FIELDS, "")
_NO_FLAGS = dict.fromkeys(PERSON_FLAGS, False)


def compile_mapping(
    fields: Mapping[str, str],
    disabled: str,
    *,
    also: Iterable[str] = (),
    regions: Mapping[str, str] | None = None,
) -> PersonMapping:
    """Compile the expressions of a source: MAP_FIELDS → expression, and "disabled" of persons.

    A field without an expression stays empty, and nobody is disabled by an empty `disabled`. `also`
    are attributes, in lower case, that something else needs to know of people; `regions` the
    countries of offices (folded). Raises InvalidInput that names the field and quotes where its
    expression cannot be read.
    """
    unknown = sorted(set(fields) - set(MAP_FIELDS))
    if unknown:
        raise InvalidInput(f"There is no field “{unknown[0]}”. There are: {', '.join(MAP_FIELDS)}.")
    compiled = {name: _compile(name, text) for name, text in fields.items() if text.strip()}
    return PersonMapping(compiled, _compile("disabled", disabled.strip() or "''"), also, regions)


def find_region(regions: Mapping[str, str], office: str, country: str) -> str:
    """The country of the site that `office` means, or `country` where that has two letters."""
    return regions.get(fold(office), "") or (country if len(country) == 2 else "")


def finish_field(field: str, value: str) -> str:
    """What a person keeps of the value of an expression; raises InvalidInput where it cannot be."""
    return finish_kind(value) if field == "kind" else _finishing(field)(value)


def finish_kind(value: str) -> str:
    """One of KINDS, a person where nothing was said, or LEFT_OUT."""
    kind = value.strip().lower()
    if not kind:
        return KINDS[0]
    if kind not in KINDS and kind != LEFT_OUT:
        raise InvalidInput(f"kind is “{value[:40]}”; there are {', '.join(KINDS)}, and {LEFT_OUT}.")
    return kind


def _compile(field: str, text: str) -> Expression:
    try:
        return compile_reading(text)
    except InvalidInput as error:
        raise InvalidInput(f"{field}: {error.message}") from error


def _seed(
    fields: Mapping[str, Expression], disabled: Expression, regions: Mapping[str, str] | None
) -> hashlib.blake2b:
    texts: list[object] = [(field, fields[field].source) for field in sorted(fields)]
    if regions:
        texts.append(sorted(regions.items()))
    return hashlib.blake2b(repr((texts, disabled.source)).encode(), digest_size=16)


def _needed(expression: Expression) -> frozenset[str]:
    found = frozenset(name.lower() for name in _ALWAYS_THERE.findall(expression.source))
    return found & expression.names


def _is_name(expression: Expression) -> bool:
    return _NAME.fullmatch(expression.source) is not None


def _reading(expression: Expression | None) -> Read:
    """How to evaluate; a bare name, by far the most frequent expression, is read straight away."""
    if expression is None:
        return lambda raw, decoded: ""
    (name, *_) = (*expression.names, "")
    if not _is_name(expression) or name in BINARY:
        evaluate = expression.root.evaluate
        return lambda raw, decoded: evaluate(decoded)[:MAX_RESULT]

    def read(raw: Raw, decoded: Decoded) -> str:
        values = raw.get(name)
        return values[0].decode() if values else ""

    return read


def _finishing(field: str) -> Callable[[str], str]:
    if field == "expires_at":
        return _moment
    if field == "manager":
        return clean_line  # a DN, which may be long
    if field in _EXACT:
        return lambda value: _whole(field, require_line(value.strip(), field))
    if field in _UNCUT:
        return lambda value: _whole(field, clean_line(value))
    return _shown


def _moment(value: str) -> str:
    if value:
        read_moment(value)
    return value


# Few departments, titles and offices for many people.
@lru_cache(maxsize=4096)
def _shown(value: str) -> str:
    return clean_line(value)[:MAX_LENGTH]


def _whole(field: str, value: str) -> str:
    if len(value) > MAX_LENGTH:
        raise InvalidInput(f"{field} has {len(value)} characters; {MAX_LENGTH} is the most.")
    return value
