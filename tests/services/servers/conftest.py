"""Real stores and servers for what asks them."""

from tests.push_site import cluster, either_site, mariadb, new_kamailio, new_lab, new_site, site

__all__ = ["cluster", "either_site", "mariadb", "new_kamailio", "new_lab", "new_site", "site"]
