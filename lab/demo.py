"""The demo: the whole console with a real directory and a real SIP server, on this machine.

It runs until Ctrl-C, keeps its data in a directory and finds it again. --lock and --unlock change a
person in the directory of a demo that runs, as its administrator would.
"""

import argparse
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import ldap

from lab.authority import Authority
from lab.console import ROOT, forget_settings
from lab.ports import listening
from lab.process import LabError
from lab.slapd import Slapd
from lab.slapd_entries import PEOPLE
from lab.system import USER, Lock, System

STATE = ROOT / "var" / "demo"
PORT = 8000
WATCH_EVERY = 0.5
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop(BaseException):
    """Somebody wants the demo to end."""


def stop_on_signals() -> None:
    """Lets Ctrl-C, TERM and a lost terminal raise Stop, once: nothing cuts the end short."""

    def stop(*_: object) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise Stop

    for number in SIGNALS:
        signal.signal(number, stop)


def say(text: str = "") -> None:
    """Prints; whoever closed the terminal does not want it any more."""
    with suppress(OSError):
        print(text, flush=True)


def main() -> int:
    arguments = _arguments()
    forget_settings()
    if arguments.lock or arguments.unlock:
        return _change_person(arguments.state, arguments)
    stop_on_signals()
    try:
        _run(arguments)
    except (LabError, OSError) as error:
        say(f"\n{error}")
        return 1
    except Stop:
        say("\nStopped. The data stays where it is.")
    return 0


def _run(arguments: argparse.Namespace) -> None:
    """Until somebody stops it, the terminal is gone, or a program ends."""
    began = time.monotonic()
    state: Path = arguments.state
    lost = _lost_terminal()
    with Lock(state):
        demo = System(state, interval=arguments.every, port=_port(arguments.port, state))
        say("Starting the demo …")
        with demo:
            say(_welcome(demo, time.monotonic() - began))
            while not lost():
                demo.check()
                time.sleep(WATCH_EVERY)


def _lost_terminal() -> Callable[[], bool]:
    """Whether the terminal that was there is gone: the kernel tells only the first of a session,
    which with `ssh -t host make demo` is make, and make waits for us."""
    if not sys.stdin.isatty():
        return lambda: False
    terminal = select.poll()
    terminal.register(sys.stdin, 0)
    return lambda: bool(terminal.poll(0))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab.demo", description=__doc__)
    parser.add_argument("--state", type=Path, default=STATE, help="where the data is kept")
    parser.add_argument("--port", type=int, help="of the console, kept for later starts")
    parser.add_argument(
        "--every", type=int, default=60, help="seconds between two syncs, for the first start"
    )
    person = parser.add_mutually_exclusive_group()
    person.add_argument("--lock", metavar="UID", help="disable a person in the directory")
    person.add_argument("--unlock", metavar="UID", help="enable a person in the directory")
    return parser.parse_args()


def _port(wanted: int | None, state: Path) -> int | None:
    """What was asked for; at the first start the usual port, if nobody has it."""
    if wanted is None and not (state / "console").exists() and not listening(PORT):
        return PORT
    return wanted


def _change_person(state: Path, arguments: argparse.Namespace) -> int:
    directory = Slapd(state / "directory", Authority(state / "authority"))
    dn = f"uid={arguments.lock or arguments.unlock},{PEOPLE}"
    try:
        (directory.disable if arguments.lock else directory.enable)(dn)
    except ldap.NO_SUCH_OBJECT:
        say(f"The directory has no {dn}.")
        return 1
    except ldap.SERVER_DOWN:
        say("The demo does not run.")
        return 1
    say(f"{dn} is {'locked' if arguments.lock else 'unlocked'}. The next sync will see it.")
    return 0


def _welcome(demo: System, seconds: float) -> str:
    someone = demo.company.people[40]
    here = "" if demo.state == STATE else f" --state {demo.state}"
    return WELCOME.format(
        seconds=seconds,
        address=demo.console.address,
        user=USER,
        password=demo.password,
        people=len(demo.company.people),
        directory=demo.directory.tls_uri,
        accounts=demo.count_subscribers(),
        tls=demo.server.tls_port,
        sip=demo.server.sip_port,
        helpdesk=demo.member("Console helpdesk"),
        person_password=demo.directory.person_password,
        someone=someone.name,
        uid=someone.uid,
        python=sys.executable.removeprefix(f"{ROOT}/"),
        here=here,
        state=demo.state,
    )


WELCOME = """
rtcadmin is ready ({seconds:.0f} s).

  Address     {address}/
  User        {user}
  Password    {password}

  {people} people in OpenLDAP at {directory}; {accounts} accounts in Kamailio at localhost,
  TLS {tls}, TCP and UDP {sip}. {helpdesk} of the help desk signs in with the
  directory's password {person_password}

What to try:
  - Find {someone} under Accounts and make a link with its QR code for a softphone.
  - Lock that person in the directory, in another terminal, and watch the account lose its
    registration with the next sync:
      {python} -m lab.demo{here} --lock {uid}
  - Edit an account rule and see what it would change before it does.

Logs and data: {state}
Ctrl-C stops everything; the next start finds it as it was.
"""

if __name__ == "__main__":
    sys.exit(main())
