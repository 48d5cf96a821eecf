"""Cases that a person decides: documents and manual evidence (screen C13)."""
