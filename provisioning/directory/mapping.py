"""From a directory entry to a person's fields, by the expressions of a source."""

from __future__ import annotations

import hashlib
import marshal
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from provisioning.core.errors import InvalidInput
from provisioning.core.expression import Expression, compile_expression
from provisioning.core.records import KINDS, PERSON_FIELDS, PERSON_FLAGS, Entry
from provisioning.core.text import clean_line, require_line

MAX_LENGTH = 200
# A shortened one of these is another person or another telephone; all other fields are only shown.
_UNCUT = frozenset({"login", "mail", "phone", "mobile", "employee_id", "sip_address"})
# In these a line break or an invisible character is refused. From telephone numbers it is removed,
# because such characters come with every number that was pasted from a document.
_EXACT = _UNCUT - {"phone", "mobile"}
# Passwords and keys of OpenLDAP, 389 Directory Server, Active Directory, LAPS, BitLocker, Kerberos.
_SECRET = frozenset({
    "userpassword", "authpassword", "unicodepwd", "dbcspwd", "ntpwdhistory", "lmpwdhistory",
    "supplementalcredentials", "sambantpassword", "sambalmpassword", "pwdhistory",
    "ms-mcs-admpwd", "mslaps-password", "mslaps-encryptedpassword", "msds-managedpassword",
    "msfve-recoverypassword", "msfve-keypackage", "unixuserpassword", "krbprincipalkey",
})  # fmt: skip
_NAME = re.compile(r"\s*[A-Za-z][A-Za-z0-9_;-]*\s*")

_BIT = re.compile(r"\bbit\(\s*([A-Za-z][A-Za-z0-9_;-]*)", re.IGNORECASE)

# The last format in which equal values always give equal bytes.
_MARSHAL_VERSION = 2

Raw = Mapping[str, list[bytes]]
Read = Callable[[Raw, dict[str, list[str]]], str]


@dataclass(frozen=True, slots=True)
class MappedPerson:
    """What a source says of one person; `fields` has every one of PERSON_FIELDS, in order."""

    fields: dict[str, str]
    flags: dict[str, bool]

    @property
    def disabled(self) -> bool:
        """Whether the directory says that the person is disabled."""
        return self.flags["disabled"]


class PersonMapping:
    """A source's compiled expressions; `attributes` are the names that they read, in lower case."""

    def __init__(
        self, fields: Mapping[str, Expression], disabled: Expression, also: Iterable[str]
    ) -> None:
        expressions = [*fields.values(), disabled]
        names = {name for each in expressions for name in each.names}
        self.attributes = tuple(sorted(names.union(also)))
        self._seed = _seed(fields, disabled)
        self._fields = [
            (field, _reading(fields.get(field)), _finishing(field)) for field in PERSON_FIELDS
        ]
        self._disabled = disabled
        self._flags = sorted({name.lower() for name in _BIT.findall(disabled.source)})
        self._decoded = {n for each in expressions if not _is_name(each) for n in each.names}
        self._decoded |= disabled.names

    def digest(self, entry: Entry) -> bytes:
        """16 bytes that change with the DN, a value that is read, or the mapping itself.

        The order of values does not count: a directory may give them in any (RFC 4512 section 2.5).
        """
        found = map(entry.attributes.get, self.attributes)
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
            fields = {name: finish(read(raw, decoded)) for name, read, finish in self._fields}
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{self._undecodable(raw)} is not UTF-8 text.") from error
        for name in self._flags:
            # The bind account may have lost the right to read it: that enables nobody.
            if not raw.get(name):
                raise InvalidInput(f"{name} is missing, so nobody knows who is disabled.")
        fields["kind"] = fields["kind"] or KINDS[0]
        flags = dict.fromkeys(PERSON_FLAGS, False)
        flags["disabled"] = bool(self._disabled(decoded))
        return MappedPerson(fields, flags)

    def _undecodable(self, raw: Raw) -> str:
        for name in self.attributes:
            for value in raw.get(name, ()):
                try:
                    value.decode()
                except UnicodeDecodeError:
                    return name
        raise AssertionError("every attribute can be decoded")


def compile_mapping(
    fields: Mapping[str, str], disabled: str, *, also: Iterable[str] = ()
) -> PersonMapping:
    """Compile the expressions of a source: PERSON_FIELDS → expression, and "disabled".

    A field without an expression stays empty, and nobody is disabled by an empty `disabled`. `also`
    are attributes, in lower case, that something else needs to know of people.
    Raises InvalidInput that names the field and quotes where its expression cannot be read.
    """
    unknown = sorted(set(fields) - set(PERSON_FIELDS))
    if unknown:
        raise InvalidInput(
            f"There is no field “{unknown[0]}”. There are: {', '.join(PERSON_FIELDS)}."
        )
    compiled = {name: _compile(name, text) for name, text in fields.items() if text.strip()}
    return PersonMapping(compiled, _compile("disabled", disabled.strip() or "''"), also)


def compile_reading(text: str) -> Expression:
    """Compile an expression over a directory's attributes; raises InvalidInput for passwords.

    A bind account may be allowed to see more than whoever sets the mapping is.
    """
    expression = compile_expression(text)
    secret = sorted(name for name in expression.names if name.partition(";")[0] in _SECRET)
    if secret:
        raise InvalidInput(f"“{secret[0]}” holds passwords or keys, which are never read.")
    return expression


def _compile(field: str, text: str) -> Expression:
    try:
        return compile_reading(text)
    except InvalidInput as error:
        raise InvalidInput(f"{field}: {error.message}") from error


def _seed(fields: Mapping[str, Expression], disabled: Expression) -> hashlib.blake2b:
    texts = [(field, fields[field].source) for field in sorted(fields)]
    return hashlib.blake2b(repr((texts, disabled.source)).encode(), digest_size=16)


def _is_name(expression: Expression) -> bool:
    return _NAME.fullmatch(expression.source) is not None


def _reading(expression: Expression | None) -> Read:
    """How to evaluate; a bare name, by far the most frequent expression, is read straight away."""
    if expression is None:
        return lambda raw, decoded: ""
    if not _is_name(expression):
        return lambda raw, decoded: expression(decoded)
    (name,) = expression.names

    def read(raw: Raw, decoded: dict[str, list[str]]) -> str:
        values = raw.get(name)
        return values[0].decode() if values else ""

    return read


def _finishing(field: str) -> Callable[[str], str]:
    if field in _EXACT:
        return lambda value: _whole(field, require_line(value.strip(), field))
    if field in _UNCUT:
        return lambda value: _whole(field, clean_line(value))
    return _shown


def _shown(value: str) -> str:
    return clean_line(value)[:MAX_LENGTH]


def _whole(field: str, value: str) -> str:
    if len(value) > MAX_LENGTH:
        raise InvalidInput(f"{field} has {len(value)} characters; {MAX_LENGTH} is the most.")
    return value
