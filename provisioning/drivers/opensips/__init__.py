"""OpenSIPS 3.4 and later: rows in its database, control by MI over HTTP."""
