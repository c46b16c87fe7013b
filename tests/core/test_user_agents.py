"""User agents by family: the version goes, the model stays."""

from __future__ import annotations

import pytest

from provisioning.core.user_agents import family_of


@pytest.mark.parametrize(
    ("user_agent", "family"),
    [
        ("Linphone/5.1.0 (belle-sip/5.2)", "Linphone"),
        ("Yealink SIP-T46U 108.86.0.45", "Yealink SIP-T46U"),
        ("baresip v1.0.0 (x86_64/linux)", "baresip"),
        ("Zoiper rv2.10.19.4", "Zoiper"),
        ("PolycomVVX-VVX_411-UA/5.9.0.9373", "PolycomVVX-VVX_411-UA"),
        ("snom D785 10.1.73", "snom D785"),
        ("Grandstream GXP2170 1.0.11.3", "Grandstream GXP2170"),
        ("MicroSIP/3.21.3", "MicroSIP"),
        ("Bria 5 release 5.8.3 stamp 100", "Bria"),
        ("(unknown)", "(unknown)"),
        ("5.1", "5.1"),
        ("", ""),
        ("x" * 300, "x" * 60),
    ],
)
def test_a_family_is_the_name_without_its_version(user_agent: str, family: str) -> None:
    assert family_of(user_agent) == family
