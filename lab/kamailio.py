"""A Kamailio server."""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from lab.authority import Authority
from lab.kamailio_store import Store
from lab.ports import HOST
from lab.process import Counterpart, LabError, Process
from lab.state import State, write_private
from provisioning.drivers.kamailio.settings_lines import settings_modules, settings_routes
from provisioning.drivers.kamailio.setup import forwarding_routes, routing_modules, routing_routes

# What SQLite says to a Kamailio that meets somebody who writes; it waits for nobody, and ends.
_LOCKED, _STARTS = "database is locked", 5

CONFIGURATION = Path(__file__).with_name("kamailio.cfg")
INSTANCE = """\
#!KAMAILIO
#!define {backend}
#!define RUNDIR "{directory}"
#!define DBURL "{url}"
#!define RPC_SECRET "{secret}"
#!substdef "!SIPPORT!{sip}!g"
#!substdef "!TLSPORT!{tls}!g"
#!substdef "!RPCPORT!{rpc}!g"
#!substdef "!SERVER_ID!{server_id}!g"
{more}
include_file "{configuration}"
include_file "{directory}/routing_modules.cfg"
include_file "{directory}/routing.cfg"
include_file "{directory}/settings_modules.cfg"
include_file "{directory}/settings.cfg"
include_file "{directory}/forwarding.cfg"
"""
TLS = """\
[server:default]
method = TLSv1.2+
verify_certificate = no
require_certificate = no
private_key = {key}
certificate = {certificate}

[client:default]
verify_certificate = yes
require_certificate = yes
ca_list = {ca}
"""


class RpcError(LabError):
    """Kamailio answered a management request with an error; `status` is that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Kamailio(Counterpart):
    """A registrar and proxy on UDP and TCP (`sip_port`), TLS (`tls_port`) and, for management,
    JSON-RPC over HTTP (`rpc_url`, header X-RPC-Secret: `rpc_secret`).

    Servers that share a store need a `server_id` each; settings of one server alone begin with it.
    It runs what the setup guide gives to the administrators of real servers, word for word, but for
    the seconds in which it `pings` gateways. With `times_database` its log tells how many
    microseconds each statement took.
    """

    def __init__(
        self,
        directory: Path,
        authority: Authority,
        store: Store,
        *,
        sha256: bool = False,
        server_id: int = 1,
        times_database: bool = False,
        pings: int = 10,
    ) -> None:
        self.directory = directory.absolute()
        self.authority = authority
        self.store = store
        self.sha256 = sha256
        self.times_database = times_database
        self.pings = pings
        self.server_id = server_id
        self.ca_file = authority.certificate
        state = State(self.directory)
        self.sip_port = state.port("sip")
        self.tls_port = state.port("tls")
        self.rpc_port = state.port("rpc")
        self.rpc_url = f"http://{HOST}:{self.rpc_port}/RPC"
        self.rpc_secret = state.secret("rpc")
        self._instance = self.directory / "instance.cfg"
        self._open = ExitStack()
        self.process = Process(
            "kamailio",
            [
                *store.release.command, "-DD", "-E", "-m", "128", "-M", "16",
                "-f", str(self._instance), "-Y", str(self.directory),
                "-w", str(self.directory),
            ],
            log=self.directory / "kamailio.log",
        )  # fmt: skip

    def start(self) -> None:
        if self.process.running:
            return
        self.store.create()
        self._configure()
        self._open.enter_context(self.store.held_open())
        for left in reversed(range(_STARTS)):
            try:
                self.process.start(self._answers)
            except LabError:
                if not left or _LOCKED not in self.process.log.read_text(errors="replace"):
                    raise
            else:
                return

    def stop(self) -> None:
        self.process.stop()
        self._open.close()

    def rpc(
        self, method: str, params: Sequence[str | int] = (), *, timeout: float = 30.0
    ) -> object:
        """Calls a method and returns its result; raises RpcError with Kamailio's words."""
        call = {"jsonrpc": "2.0", "method": method, "params": list(params), "id": 1}
        return self.post(json.dumps(call, separators=(",", ":")), timeout=timeout)

    def post(self, body: str, *, secret: str | None = None, timeout: float = 30.0) -> object:
        """Sends a request body as it is and returns the result in the answer."""
        headers = {"X-RPC-Secret": self.rpc_secret if secret is None else secret}
        request = urllib.request.Request(self.rpc_url, body.encode(), headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=timeout) as reply:  # noqa: S310
                return json.load(reply)["result"]
        except urllib.error.HTTPError as error:
            text = error.read().decode()
            message = json.loads(text)["error"]["message"] if text else error.reason
            raise RpcError(error.code, message) from error

    def _answers(self) -> bool:
        try:
            self.rpc("core.uptime", timeout=5.0)
        except OSError:
            return False
        return True

    def _configure(self) -> None:
        leaf = self.authority.leaf("kamailio")
        tls = TLS.format(key=leaf.key, certificate=leaf.certificate, ca=self.ca_file)
        (self.directory / "tls.cfg").write_text(tls)
        for name, lines in (
            ("routing_modules.cfg", routing_modules()),
            ("routing.cfg", routing_routes()),
            ("settings_modules.cfg", settings_modules()),
            ("settings.cfg", settings_routes(server=str(self.server_id))),
            ("forwarding.cfg", forwarding_routes()),
        ):
            lines = lines.replace("@DATABASE@", self.store.server_url)
            lines = lines.replace("@ADDRESS@", f"{HOST}:{self.sip_port}")
            lines = lines.replace('"ds_ping_interval", 10', f'"ds_ping_interval", {self.pings}')
            write_private(self.directory / name, lines)
        more = ["#!define WITH_SHA256"] if self.sha256 else []
        more += ["latency_limit_db=1"] if self.times_database else []
        text = INSTANCE.format(
            backend=self.store.backend,
            directory=self.directory,
            url=self.store.server_url,
            secret=self.rpc_secret,
            sip=self.sip_port,
            tls=self.tls_port,
            rpc=self.rpc_port,
            server_id=self.server_id,
            more="\n".join(more),
            configuration=CONFIGURATION,
        )
        write_private(self._instance, text)
