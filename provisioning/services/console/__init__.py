"""The console itself: who signs in, what is audited, what runs by the clock."""
