"""Kerberos as the lab's domain controller gives it: the keytab of the bind account, krb5.conf."""

import os
from pathlib import Path

import ldap

from lab.process import run
from lab.samba import REALM, DomainController
from lab.samba_entries import BASE, BIND_NAME

PRINCIPAL = f"{BIND_NAME}@{REALM}"
CONTROLLER = f"CN=DC1,OU=Domain Controllers,{BASE}"
CONFIGURATION = """\
[libdefaults]
default_realm = {realm}
dns_lookup_kdc = false
dns_canonicalize_hostname = false
rdns = false
[realms]
{realm} = {{
  kdc = {address}:88
}}
"""


def export_keytab(controller: DomainController, folder: Path) -> bytes:
    """The keytab of the bind account of a controller that runs; needs root or sudo."""
    file = folder / "bind.keytab"
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    settings = controller.cache / "live" / "smb.conf"
    run([*root, "samba-tool", "domain", "exportkeytab", str(file), f"--principal={PRINCIPAL}",
         "-s", str(settings)])  # fmt: skip
    if root:
        run([*root, "chown", str(os.geteuid()), str(file)])
    return file.read_bytes()


def configure(controller: DomainController, folder: Path) -> Path:
    """A krb5.conf that leads to the controller, which may be called by its address from now on."""
    name = f"ldap/{controller.address}".encode()
    with controller.administer() as connection:
        found = connection.search_s(CONTROLLER, ldap.SCOPE_BASE, attrlist=["servicePrincipalName"])
        if name not in found[0][1]["servicePrincipalName"]:
            connection.modify_s(CONTROLLER, [(ldap.MOD_ADD, "servicePrincipalName", [name])])
    file = folder / "krb5.conf"
    file.write_text(CONFIGURATION.format(realm=REALM, address=controller.address))
    return file
