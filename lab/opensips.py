"""A real OpenSIPS, built by hand: Debian has none.

RTCADMIN_OPENSIPS names the folder with its sbin/opensips and modules/. Beside it nginx runs, which
lets the console in: both read what the setup guide gives to administrators, word for word.
"""

import json
import os
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.kamailio_store import Release, Store
from lab.opensips_schema import schema
from lab.ports import HOST
from lab.process import Counterpart, Process, executable, run
from lab.state import State, write_private
from provisioning.drivers.opensips.setup import (
    calls,
    control,
    proxy,
    registration,
    routing_modules,
    routing_routes,
    sqlops,
    tables,
)

ENVIRONMENT = "RTCADMIN_OPENSIPS"
MODULES = {"db_sqlite": "db_sqlite.so", "postgres": "db_postgres.so", "mysql": "db_mysql.so"}

CONFIGURATION = """\
log_level=2
stderror_enabled=yes
syslog_enabled=no
udp_workers=2
tcp_workers=2
auto_aliases=no
socket=udp:@HOST@:@SIP@
socket=tcp:@HOST@:@SIP@
mpath="@MODULES@/"
loadmodule "proto_udp.so"
loadmodule "proto_tcp.so"
loadmodule "tm.so"
loadmodule "maxfwd.so"
loadmodule "sipmsgops.so"
@TABLES@
@ROUTING@
@CONTROL@
route {
    if (!mf_process_maxfwd_header(10)) {
        send_reply(483, "Too Many Hops");
        exit;
    }
@REGISTRATION@
    if (has_totag()) {
        if (!loose_route()) {
            if (is_method("ACK") && t_check_trans()) {
                t_relay();
            }
            exit;
        }
        t_relay();
        exit;
    }
@CALLS@
}
@ROUTES@
"""
NGINX = """\
daemon off;
pid @DIRECTORY@/nginx.pid;
error_log @DIRECTORY@/nginx.log;
events {}
http {
client_body_temp_path @DIRECTORY@/body;
proxy_temp_path @DIRECTORY@/proxied;
fastcgi_temp_path @DIRECTORY@/fastcgi;
uwsgi_temp_path @DIRECTORY@/uwsgi;
scgi_temp_path @DIRECTORY@/scgi;
@PROXY@
}
"""


class OpenSipsRelease(Release):
    """A version of OpenSIPS; its tables are those of lab.opensips_schema."""

    def __init__(self, version: str) -> None:
        super().__init__(
            version,
            writes=(
                "subscriber", "dbaliases", "domain", "address", "dr_gateways", "dr_rules",
                "dr_groups", "dialplan",
            ),
            reads=("version", "location"),
        )  # fmt: skip

    def sequence(self, table: str) -> str:
        return "dr_rules_ruleid_seq" if table == "dr_rules" else super().sequence(table)

    def schema(self, dialect: str, tables: Sequence[str] = ()) -> str:
        return schema(self.version.removeprefix("opensips_"), dialect)


OPENSIPS_3_4 = OpenSipsRelease("opensips_3.4")
OPENSIPS_3_6 = OpenSipsRelease("opensips_3.6")


def real_release() -> OpenSipsRelease | None:
    """The release of the OpenSIPS that the environment names; None where it names none."""
    if not os.environ.get(ENVIRONMENT):
        return None
    said = run([str(Path(os.environ[ENVIRONMENT]) / "sbin/opensips"), "-V"])
    return OPENSIPS_3_4 if "opensips 3.4" in said else OPENSIPS_3_6


class OpenSips(Counterpart):
    """A registrar and proxy on UDP and TCP (`sip_port`), and its MI behind nginx (`rpc_url`)."""

    def __init__(self, directory: Path, store: Store, *, algorithms: str = "MD5") -> None:
        self.directory = directory.absolute()
        self.store = store
        self.algorithms = algorithms
        state = State(self.directory)
        self.sip_port = state.port("sip")
        self.rpc_port = state.port("rpc")
        self.mi_port = state.port("mi")
        self.rpc_url = f"http://{HOST}:{self.rpc_port}/mi"
        self.rpc_secret = state.secret("rpc")
        self.prefix = Path(os.environ[ENVIRONMENT])
        self.process = Process(
            "opensips",
            [
                str(self.prefix / "sbin/opensips"), "-F", "-m", "128", "-M", "16",
                "-f", str(self.directory / "opensips.cfg"), "-w", str(self.directory),
            ],
            log=self.directory / "opensips.log",
        )  # fmt: skip
        self.proxy = Process(
            "nginx",
            [executable("nginx"), "-c", str(self.directory / "nginx.conf")],
            log=self.directory / "nginx-start.log",
        )

    def start(self) -> None:
        self.store.create()
        self._configure()
        self.process.start(lambda: self._answers(self.mi_port))
        self.proxy.start(lambda: self._answers(self.rpc_port))

    def stop(self) -> None:
        self.proxy.stop()
        self.process.stop()

    def mi(self, method: str, params: Mapping[str, str] | None = None) -> object:
        """The whole answer of MI itself, without nginx between."""
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": dict(params or {})}
        return self._post(self.mi_port, json.dumps(call))

    def _post(self, port: int, body: str) -> object:
        headers = {"Content-Type": "application/json", "X-RPC-Secret": self.rpc_secret}
        url = f"http://{HOST}:{port}/mi"
        request = urllib.request.Request(url, body.encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
            return json.load(reply)

    def _answers(self, port: int) -> bool:
        try:
            self._post(port, json.dumps({"jsonrpc": "2.0", "id": 1, "method": "version"}))
        except OSError:
            return False
        return True

    def _configure(self) -> None:
        known = {
            "TABLES": tables(),
            "CONTROL": control().replace("8888", str(self.mi_port)),
            "REGISTRATION": registration(),
            "ROUTING": routing_modules(),
            "ROUTES": routing_routes(),
            "CALLS": calls(),
            **sqlops(self.store.release.version),
            "PROXY": proxy().replace("8888", str(self.mi_port)),
            "HOST": HOST,
            "SIP": str(self.sip_port),
            "MODULES": str(self.prefix / "modules"),
            "MODULE": MODULES[self.store.dialect],
            "DATABASE": self.store.server_url,
            "ALGORITHMS": self.algorithms,
            "LISTEN": f"{HOST}:{self.rpc_port}",
            "TLS": "",
            "PATH": "/mi",
            "CONSOLE": HOST,
            "SECRET": self.rpc_secret,
            "DIRECTORY": str(self.directory),
        }
        for name, text in (("opensips.cfg", CONFIGURATION), ("nginx.conf", NGINX)):
            for mark, value in known.items():
                text = text.replace(f"@{mark}@", value)
            write_private(self.directory / name, text)
