"""SIP servers, pools, stores, routes: set up, watched, taken over."""
