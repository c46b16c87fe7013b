"""Asterisk 22 with PJSIP realtime: rows in its PostgreSQL database, control over AMI and ARI."""
