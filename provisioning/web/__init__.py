"""The web console: pages and forms over the services."""
