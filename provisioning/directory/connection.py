"""Opening a python-ldap connection: encrypted as configured, signed in, every wait bounded.

Where the addresses of a server are given, the password goes to no other. libldap takes a connected
socket for ldap://; for ldaps:// it would speak plain LDAP over one, so it connects by the name
itself, checks the certificate, and whom it has reached is looked at before anything is sent.
"""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
from typing import Any

import ldap

from provisioning.core.errors import Rejected, Unreachable
from provisioning.core.records import SourceRecord
from provisioning.directory import diagnosis
from provisioning.directory.certificate import Untrusted, require_trust, unreachable
from provisioning.directory.endpoint import Endpoint

_TLS_1_2 = 0x303


def open_connection(source: SourceRecord, endpoint: Endpoint) -> Any:
    """A signed-in connection; raises Unreachable, Untrusted, or Rejected in the server's words."""
    if endpoint.tls != "none":
        require_trust(endpoint, source.ca_pem, source.connect_timeout)
    try:
        return _sign_in(source, endpoint)
    except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT) as error:
        raise _broke(endpoint, error) from error
    except ldap.LDAPError as error:
        raise diagnosis.bind_refused(source, *code_and_words(error)) from error


def code_and_words(error: ldap.LDAPError) -> tuple[int, str]:
    """The result code (negative: libldap's own) and the server's words of a python-ldap error."""
    details = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    fallback = diagnosis.TIMED_OUT if isinstance(error, ldap.TIMEOUT) else -1
    return int(details.get("result", fallback)), str(details.get("info", ""))


def _sign_in(source: SourceRecord, endpoint: Endpoint) -> Any:
    connection = _initialise(source, endpoint)
    connection.timeout = source.connect_timeout
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, source.connect_timeout)
    connection.set_option(ldap.OPT_TIMEOUT, source.connect_timeout)
    connection.set_option(ldap.OPT_REFERRALS, ldap.OPT_OFF)
    if endpoint.tls != "none":
        _require_certificate(connection, source.ca_pem)
    if endpoint.tls == "starttls":
        connection.start_tls_s()
    if endpoint.tls == "ldaps":
        _require_address(connection, endpoint)
    connection.simple_bind_s(source.bind_dn, source.bind_secret)
    connection.timeout = source.read_timeout
    return connection


def _initialise(source: SourceRecord, endpoint: Endpoint) -> Any:
    if endpoint.tls == "ldaps":
        return ldap.initialize(endpoint.uri)
    try:
        line = endpoint.dial(source.connect_timeout)
    except OSError as error:
        raise unreachable(endpoint, error) from error
    # libldap waits by itself, and closes the descriptor, which is its own from here on.
    line.setblocking(True)
    return ldap.initialize(endpoint.uri, fileno=line.detach())


def _require_address(connection: Any, endpoint: Endpoint) -> None:
    """Makes libldap connect, by a question without meaning, and looks whom it has reached."""
    if endpoint.addresses is None:
        return
    connection.abandon_ext(connection.search_ext("", ldap.SCOPE_BASE, attrlist=["1.1"]))
    with socket.socket(fileno=os.dup(connection.fileno())) as line:
        reached = line.getpeername()[0]
    if reached not in endpoint.addresses:
        connection.unbind_s()
        raise Unreachable(
            f"{endpoint.uri} led to {reached} when it was connected, and to "
            f"{', '.join(endpoint.addresses)} just before. Nothing was sent and nothing was "
            "changed. Look at the name in your DNS."
        )


def _require_certificate(connection: Any, ca_pem: str) -> None:
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    connection.set_option(ldap.OPT_X_TLS_PROTOCOL_MIN, _TLS_1_2)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # 0600, and gone at the end
        file.write(ca_pem)
        file.flush()
        authorities = file.name if ca_pem else ssl.get_default_verify_paths().cafile
        if authorities:
            connection.set_option(ldap.OPT_X_TLS_CACERTFILE, authorities)
        # The new context reads the file here and now.
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)


def _broke(endpoint: Endpoint, error: ldap.LDAPError) -> Rejected | Unreachable:
    if endpoint.tls != "none" and endpoint.host == "localhost":
        return Untrusted(
            f"The TLS connection to {endpoint.uri} failed: libldap compares the certificate with "
            "this machine's own name instead of localhost. Nothing was changed. "
            "Use 127.0.0.1 or the machine's name."
        )
    why = "no answer in time" if isinstance(error, ldap.TIMEOUT) else "the connection broke"
    return Unreachable(
        f"{endpoint.uri} was connected but signing in failed: {why}"
        f"{diagnosis.said(code_and_words(error)[1])}. Nothing was changed."
    )
