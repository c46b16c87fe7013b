"""What clients get: profiles, documents, provisioning links."""
