"""Real stores, servers, brokers and workers for faults."""

from tests.faults.console import (
    console,
    migrated_file,
    migrated_template,
    rabbitmq,
)
from tests.lab.fixtures import authority
from tests.push_site import (
    cluster,
    either_site,
    mariadb,
    new_kamailio,
    new_lab,
    new_site,
    quick,
    site,
)

__all__ = [
    "authority",
    "cluster",
    "console",
    "either_site",
    "mariadb",
    "migrated_file",
    "migrated_template",
    "new_kamailio",
    "new_lab",
    "new_site",
    "quick",
    "rabbitmq",
    "site",
]
