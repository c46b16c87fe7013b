"""Tests of the drivers, on the real servers' databases and on real servers."""
