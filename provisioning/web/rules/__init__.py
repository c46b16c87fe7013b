"""Account rules, SIP domains, sites."""
