"""LDAP: bulk reading with python-ldap, conversations with ldap3, and mapping to plain values."""
