"""Filters: what RFC 4515 allows is allowed, and a fault is told at its character."""

from __future__ import annotations

import pytest

from provisioning.directory.filters import find_fault


@pytest.mark.parametrize(
    "text",
    [
        "(objectClass=inetOrgPerson)",
        "(&(objectCategory=person)(objectClass=user)(!(isCriticalSystemObject=TRUE)))",
        "(|(a=b)(c>=1)(d<=2)(e~=f))",
        "(userAccountControl:1.2.840.113556.1.4.803:=2)",
        "(cn:dn:caseIgnoreMatch:=x)", "(:dn:2.4.6.8.10:=Dino)",
        "(cn=*a*b*)", "(cn=*)", "(cn=)", r"(cn=a\2ab)", "(cn;lang-de=Müller)",
        "(2.5.4.3=x)", "(&)", "(|)", "(cn=a b)", "(o=Parens R Us =x)",
    ],
)  # fmt: skip
def test_a_filter_that_rfc_4515_allows_has_no_fault(text: str) -> None:
    assert find_fault(text) is None


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("", 0, "opening bracket"),
        ("uid=x", 0, "opening bracket"),
        ("(uid=x", 6, "closing bracket"),
        ("(&(uid=x)(mail=y)", 17, "closing bracket"),
        ("(uid=x))", 7, "ended before"),
        ("(a=b)(c=d)", 5, "ended before"),
        ("(=x)", 1, "name of an attribute"),
        ("(uid)", 4, "comparison"),
        ("(uid*=x)", 4, "comparison"),
        ("(cn=a(b))", 5, r"\28"),
        (r"(cn=a\zz)", 5, "hexadecimal"),
        (r"(cn=a\2)", 5, "hexadecimal"),
        ("(cn=\0)", 4, "NUL"),
        ("(!uid=x)", 2, "opening bracket"),
        ("(!(uid=x)(a=b))", 9, "closing bracket"),
    ],
)
def test_a_fault_is_told_at_its_character(text: str, place: int, says: str) -> None:
    fault = find_fault(text)
    assert fault is not None
    assert (fault.place, says in fault.message) == (place, True), fault


def test_endless_brackets_end() -> None:
    fault = find_fault("(!" * 5000)
    assert fault is not None
    assert "deeper" in fault.message
