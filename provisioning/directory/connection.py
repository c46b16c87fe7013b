"""Opening a python-ldap connection: encrypted as configured, signed in, every wait bounded.

Where the addresses of a server are given, the password goes to no other. libldap takes a connected
socket for ldap://; for ldaps:// it would speak plain LDAP over one, so it connects by the name
itself, checks the certificate, and whom it has reached is looked at before anything is sent.
"""

from __future__ import annotations

import os
import socket
import ssl
from typing import Any

import ldap

from provisioning.core.errors import Rejected, Unreachable
from provisioning.core.records import SourceRecord
from provisioning.directory import diagnosis, kerberos
from provisioning.directory.certificate import Untrusted, identity_of, require_trust, unreachable
from provisioning.directory.endpoint import Endpoint
from provisioning.directory.memory_file import memory_file

_TLS_1_2 = 0x303


def open_connection(source: SourceRecord, endpoint: Endpoint) -> Any:
    """A signed-in connection; raises Unreachable, Untrusted, or Rejected in the server's words."""
    if endpoint.tls != "none":
        identity = identity_of(source)
        require_trust(endpoint, source.ca_pem, source.connect_timeout, identity)
    try:
        return _sign_in(source, endpoint)
    except ldap.LOCAL_ERROR as error:
        raise kerberos.refused(source, code_and_words(error)[1]) from error
    except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT) as error:
        raise _broke(source, endpoint, error) from error
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
        _require_certificate(connection, source)
    if endpoint.tls == "starttls":
        connection.start_tls_s()
    if endpoint.tls == "ldaps":
        _require_address(connection, endpoint)
    _bind(source, connection)
    connection.timeout = source.read_timeout
    return connection


def _bind(source: SourceRecord, connection: Any) -> None:
    if source.bind_method == "simple":
        connection.simple_bind_s(source.bind_dn, source.bind_secret)
    elif source.bind_method == "external":
        connection.sasl_external_bind_s()
    else:
        # The host is called as in the address, whatever DNS says of its IP address.
        connection.set_option(ldap.OPT_X_SASL_NOCANON, ldap.OPT_ON)
        # TLS encrypts already, and Active Directory refuses both at once.
        connection.set_option(ldap.OPT_X_SASL_SSF_MAX, 0)
        with kerberos.ticket(source):
            connection.sasl_gssapi_bind_s()


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


def _require_certificate(connection: Any, source: SourceRecord) -> None:
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    connection.set_option(ldap.OPT_X_TLS_PROTOCOL_MIN, _TLS_1_2)
    with (
        memory_file(source.ca_pem.encode()) as authorities,
        memory_file(identity_of(source).encode()) as identity,
    ):
        trusted = authorities if source.ca_pem else ssl.get_default_verify_paths().cafile
        if trusted:
            connection.set_option(ldap.OPT_X_TLS_CACERTFILE, trusted)
        if source.bind_method == "external":
            connection.set_option(ldap.OPT_X_TLS_CERTFILE, identity)
            connection.set_option(ldap.OPT_X_TLS_KEYFILE, identity)
        # The new context reads the files here and now.
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)


def _broke(
    source: SourceRecord, endpoint: Endpoint, error: ldap.LDAPError
) -> Rejected | Unreachable:
    if endpoint.tls != "none" and endpoint.host == "localhost":
        return Untrusted(
            f"The TLS connection to {endpoint.uri} failed: libldap compares the certificate with "
            "this machine's own name instead of localhost. Nothing was changed. "
            "Use 127.0.0.1 or the machine's name."
        )
    if source.bind_method == "external" and not isinstance(error, ldap.TIMEOUT):
        # With TLS 1.3 a server tells a client only now that its certificate is refused.
        return Unreachable(
            f"{endpoint.uri} ended the connection on seeing the client certificate. Nothing was "
            "changed. Check that it trusts the authority that issued it."
        )
    why = "no answer in time" if isinstance(error, ldap.TIMEOUT) else "the connection broke"
    return Unreachable(
        f"{endpoint.uri} was connected but signing in failed: {why}"
        f"{diagnosis.said(code_and_words(error)[1])}. Nothing was changed."
    )
