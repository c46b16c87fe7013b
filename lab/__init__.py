"""Real counterparts of the console, started on this machine for the demo and the tests."""
