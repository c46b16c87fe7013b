"""Receivers of alerts on this machine: a web server and a mail server that keep what they get."""

import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from lab.ports import HOST


@dataclass(frozen=True)
class Request:
    """What came over HTTP."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class WebSink:
    """Answers every POST with `status`, after `pause`; `location` is where it redirects to."""

    status: int = 204
    location: str = ""
    pause: Callable[[], object] = bool
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                sink.requests.append(Request(self.path, headers, body))
                sink.pause()
                self.send_response(sink.status)
                if sink.location:
                    self.send_header("Location", sink.location)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://{HOST}:{self.port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class MailSink:
    """Takes mail over SMTP without TLS, or says `refuse` to recipients, such as "451 later"."""

    refuse: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._say("220 sink")
                while line := self.rfile.readline():
                    word = line.split(b" ", 1)[0].strip().upper()
                    if word == b"QUIT":
                        self._say("221 bye")
                        return
                    if word == b"DATA":
                        self._data()
                    elif word == b"RCPT" and sink.refuse:
                        self._say(sink.refuse)
                    else:
                        if word == b"RCPT":
                            sink.recipients.append(
                                line.decode().partition("<")[2].partition(">")[0]
                            )
                        self._say("250 sink")

            def _data(self) -> None:
                self._say("354 go on")
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line[1:] if line.startswith(b"..") else line)
                sink.mails.append(message_from_bytes(b"".join(lines), policy=policy.default))
                self._say("250 taken")

            def _say(self, text: str) -> None:
                self.wfile.write(f"{text}\r\n".encode())

        self._server = socketserver.ThreadingTCPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
