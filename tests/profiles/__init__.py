"""Tests of the client profiles."""
