"""SIP servers, their pools and stores: set up, observed, taken over, asked."""
