"""Tests of the directory package, against a real slapd and a real Samba AD."""
