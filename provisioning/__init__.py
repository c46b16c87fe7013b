"""The provisioning app: directory in, SIP service and client profiles out."""
