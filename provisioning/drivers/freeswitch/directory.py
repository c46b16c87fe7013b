"""Questions of mod_xml_curl for its section "directory", and how they are answered.

FreeSWITCH posts a form and reads an XML document. Two questions have an answer here: the digest of
somebody who signs in (action=sip_auth), and whom an address belongs to that is called or asked for
(user_call, user_exists, message-count, …). A list of everybody, which gateways and access lists are
made of, is never given.

As mod_sofia and the core of 1.11.2 read an answer: a user without `a1-hash`, or with an empty one,
is let in without a password, so every answer has one. The user is found by the realm that a client
claims, not by the SIP URI that it registers, so both are compared here. The document is searched
for `$${…}` and X-PRE-PROCESS, so only what `tables.parts` lets through is put into it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from xml.sax.saxutils import quoteattr

from sqlalchemy import ClauseElement, bindparam, literal, select, union_all

from provisioning.drivers.base import Served
from provisioning.drivers.freeswitch.tables import NUMBERS, USERS, parts

PATH = "directory"
_SIGN_IN = "sip_auth"
_DIGEST = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}", re.ASCII)

NOT_FOUND = Served(
    "text/xml",
    '<document type="freeswitch/xml"><section name="result"><result status="not found"/>'
    "</section></document>\n",
)
# One answer to one question: the user, its number where it was asked for by one, its parameters.
_USER = """\
<document type="freeswitch/xml"><section name="directory"><domain name={domain}>\
<groups><group name="rtcadmin"><users><user id={id}{alias}><params>{params}</params></user></users>\
</group></groups></domain></section></document>
"""
_DIAL = "{{sip_invite_domain={0},presence_id={1}@{0}}}${{sofia_contact(*/{1}@{0})}}"

OF_USER: ClauseElement = select(USERS.c.a1_hash).where(
    USERS.c.username == bindparam("user"), USERS.c.domain == bindparam("domain")
)
# The account of this name comes before the number: the first column orders them.
OF_ADDRESS: ClauseElement = union_all(
    select(literal(0), USERS.c.username, USERS.c.domain).where(
        USERS.c.username == bindparam("user"), USERS.c.domain == bindparam("domain")
    ),
    select(literal(1), NUMBERS.c.username, NUMBERS.c.domain).where(
        NUMBERS.c.number == bindparam("user"), NUMBERS.c.number_domain == bindparam("domain")
    ),
)


class Question(NamedTuple):
    """For whom a FreeSWITCH asks; `domain` as it was written, `signs_in` whether for a digest."""

    user: str
    domain: str
    signs_in: bool

    @property
    def parameters(self) -> dict[str, str]:
        return {"user": self.user, "domain": self.domain.lower()}


def question_of(asked: Mapping[str, str]) -> Question | None:
    """What is asked for; None where the answer is that there is nobody."""
    user, domain = asked.get("user", ""), asked.get("domain", "")
    about = (asked.get("section"), asked.get("tag_name"), asked.get("key", "id"))
    if about != (PATH, "domain", "id") or asked.get("purpose") or not parts(f"{user}@{domain}"):
        return None
    signs_in = asked.get("action") == _SIGN_IN
    if signs_in and asked.get("sip_auth_method") == "REGISTER":
        claimed = (asked.get("sip_to_user", ""), asked.get("sip_to_host", "").lower())
        if claimed != (user, domain.lower()):
            return None
    return Question(user, domain, signs_in)


def answer(question: Question, rows: Sequence[Sequence[Any]]) -> Served:
    """The user in what OF_USER or OF_ADDRESS found."""
    if not rows:
        return NOT_FOUND
    if question.signs_in:
        ((a1_hash,),) = rows
        known = bool(_DIGEST.fullmatch(a1_hash))
        params = {"a1-hash": a1_hash} if known else {**_nobody(), "sip-forbid-register": "true"}
        return _told(question, question.user, params)
    _, user, domain = min(map(tuple, rows))
    if not parts(f"{user}@{domain}"):
        # Whatever somebody else wrote into the table.
        return NOT_FOUND
    return _told(question, user, {**_nobody(), "dial-string": _DIAL.format(domain, user)})


def _nobody() -> dict[str, str]:
    """A digest that nobody has the password of."""
    return {"a1-hash": secrets.token_hex(16)}


def _told(question: Question, user: str, params: Mapping[str, str]) -> Served:
    alias = "" if user == question.user else f" number-alias={quoteattr(question.user)}"
    listed = (f'<param name="{name}" value={quoteattr(params[name])}/>' for name in params)
    body = _USER.format(
        domain=quoteattr(question.domain), id=quoteattr(user), alias=alias, params="".join(listed)
    )
    return Served("text/xml", body)
