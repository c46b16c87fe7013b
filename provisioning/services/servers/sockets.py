"""Which of the servers that share a store took a registration, told by the socket it came in at."""

from __future__ import annotations

import socket
from contextlib import suppress
from urllib.parse import urlsplit

from provisioning.models import ConfigStore, SipServer


class Sockets:
    """The servers of one store by their addresses; names are resolved once."""

    def __init__(self, store: ConfigStore) -> None:
        servers = list(SipServer.objects.filter(store=store).order_by("pk"))
        self._only = servers[0].pk if len(servers) == 1 else None
        self._places: dict[tuple[str, int], int | None] = {}
        self._hosts: dict[str, int | None] = {}
        self._known: dict[str, int | None] = {}
        for server in servers if len(servers) > 1 else ():
            self._add(server)

    def server_of(self, name: str) -> int | None:
        """The id of the server with the socket transport:host:port; None where nothing tells."""
        if self._only is not None:
            return self._only
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> int | None:
        host, _, port = name.partition(":")[2].rpartition(":")
        host = host.strip("[]").lower()
        place = (host, int(port) if port.isdecimal() else 0)
        return self._places[place] if place in self._places else self._hosts.get(host)

    def _add(self, server: SipServer) -> None:
        """An address that two servers have tells nothing; with their ports it may."""
        for host in _addresses(server):
            self._hosts[host] = None if host in self._hosts else server.pk
            for listener in server.listeners():
                place = (host, listener.port)
                self._places[place] = None if place in self._places else server.pk


def _addresses(server: SipServer) -> set[str]:
    """The server's hosts, of clients and of control, with what they resolve to."""
    hosts = {server.sip_host.lower(), (urlsplit(server.rpc_url).hostname or "").lower()} - {""}
    found = set(hosts)
    for host in hosts:
        with suppress(OSError, UnicodeError):
            found |= {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    return found
