"""SCIM 2.0 (RFC 7643, RFC 7644) as plain values: schemas, filters, patches. Keeps nothing."""
