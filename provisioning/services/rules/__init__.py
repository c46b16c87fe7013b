"""Account rules, and the SIP domains and sites that they speak of."""
