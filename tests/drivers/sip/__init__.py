"""The SIP user agent: what it says to servers, and what it makes of their answers."""
