"""The use-cases. They know Protocols; no forge and no cluster is named here."""
