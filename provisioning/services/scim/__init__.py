"""SCIM: what clients such as Entra ID write, kept and then read like a directory."""
