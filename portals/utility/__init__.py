"""The Utility Portal's pages: self-service for a utility's customer."""
