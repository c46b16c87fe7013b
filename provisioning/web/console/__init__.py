"""The console itself: overview, alerts, audit log, who signs in."""
