"""Real stores and servers for faults."""

from tests.lab.fixtures import authority
from tests.push_site import cluster, either_site, new_kamailio, new_lab, new_site, quick, site

__all__ = [
    "authority",
    "cluster",
    "either_site",
    "new_kamailio",
    "new_lab",
    "new_site",
    "quick",
    "site",
]
