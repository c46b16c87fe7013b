"""Real stores and servers for settings that take effect there."""

from tests.lab.fixtures import authority
from tests.push_site import cluster, new_kamailio, new_lab, new_site, site

__all__ = ["authority", "cluster", "new_kamailio", "new_lab", "new_site", "site"]
