"""A small SIP user agent: it asks one server what a telephone would ask, and hangs up at once."""
