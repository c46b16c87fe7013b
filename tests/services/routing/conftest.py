"""Real stores and servers for what is routed."""

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
    "cluster",
    "either_site",
    "mariadb",
    "new_kamailio",
    "new_lab",
    "new_site",
    "quick",
    "site",
]
