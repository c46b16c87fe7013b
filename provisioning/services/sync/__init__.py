"""The sync: what was read, planned as people, groups and accounts."""
