"""The Debian packages that the lab needs, and their installation without starting any service.

`python3 -m lab.packages demo|bench|test` runs before anything else is installed, so on the standard
library alone.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.suite import Suite, SuiteError

# python-ldap and gssapi have no wheels: they are built against libldap, libsasl2 and libkrb5.
BUILD = ("gcc", "libkrb5-dev", "libldap-dev", "libsasl2-dev", "python3-dev", "python3-venv")
DEMO = (
    *BUILD,
    "kamailio",
    "kamailio-sqlite-modules",
    "kamailio-tls-modules",
    "linphone-cli",
    "slapd",
)
TEST = (
    *DEMO,
    "baresip-core",
    "chromium",
    "chromium-driver",
    "iproute2",
    "kamailio-mysql-modules",
    "kamailio-postgres-modules",
    "ldap-utils",
    "libsasl2-modules-gssapi-mit",
    "mariadb-server",
    "mmdebstrap",
    "postgresql",
    "rabbitmq-server",
    "redis-server",
    "samba",
    "samba-ad-provision",
    "samba-dsdb-modules",
    "samba-vfs-modules",
)
BENCH = (*DEMO, "kamailio-postgres-modules", "ldap-utils", "postgresql")
SETS = {"demo": DEMO, "bench": BENCH, "test": TEST}
# What Debian 12 has not, or not so new; only the tests need it.
FORKY = Suite(
    "forky",
    (
        "asterisk",
        "kamailio",
        "kamailio-mysql-modules",
        "kamailio-postgres-modules",
        "kamailio-sqlite-modules",
        "kamailio-tls-modules",
    ),
)

POLICY = Path("/usr/sbin/policy-rc.d")
MARK = "# rtcadmin lab"


def missing(wanted: tuple[str, ...]) -> list[str]:
    """Those of the packages that are not installed."""
    told = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    installed = {line.split()[0] for line in told.splitlines() if line.endswith(" installed")}
    return [name for name in wanted if name not in installed]


def install(names: list[str]) -> None:
    """Installs packages as root or through sudo; raises CalledProcessError when apt-get fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = [*_root(), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]
    with services_held_back():
        subprocess.run([*apt, "update"], env=environment, check=True)
        subprocess.run([*apt, "install", "--no-install-recommends", *names], check=True)


@contextmanager
def services_held_back() -> Iterator[None]:
    """Keeps packages from starting their services (policy-rc.d, exit status 101) meanwhile.

    A policy that is already there stays and decides. Ours speaks only while this process lives,
    so that not even a crash leaves the machine without its services.
    """
    if POLICY.exists() and MARK not in POLICY.read_text():
        yield
        return
    alive = f"[ -d /proc/{os.getpid()} ] && exit 101\nexit 0\n"
    _as_root(["tee", str(POLICY)], text=f"#!/bin/sh\n{MARK}\n{alive}")
    _as_root(["chmod", "755", str(POLICY)])
    try:
        yield
    finally:
        _as_root(["rm", "-f", str(POLICY)])


def _root() -> list[str]:
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        sys.exit("Installing packages needs root: neither root nor sudo is here.")
    return ["sudo"]


def _as_root(command: list[str], *, text: str = "") -> None:
    subprocess.run(
        [*_root(), *command], input=text, text=True, stdout=subprocess.DEVNULL, check=True
    )


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in SETS:
        print(f"usage: python3 -m lab.packages {'|'.join(SETS)}", file=sys.stderr)
        return 2
    if shutil.which("dpkg-query") is None:
        print("This is no Debian: install by hand", *SETS[arguments[0]], file=sys.stderr)
        return 1
    names = missing(SETS[arguments[0]])
    try:
        if names:
            print(f"Packages for {arguments[0]}: installing {' '.join(names)}", flush=True)
            # The default action would skip the removal of the policy.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
            install(names)
        else:
            print(f"Packages for {arguments[0]}: all installed.")
        if arguments[0] == "test" and FORKY.prepare():
            print(f"Debian {FORKY.name}: unpacked {' '.join(FORKY.packages)} into {FORKY.tree}")
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(error.cmd)} failed with status {error.returncode}", file=sys.stderr)
        return 1
    except SuiteError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
