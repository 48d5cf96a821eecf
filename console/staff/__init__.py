"""Who works here, in which roles, and how they sign in (screen C14)."""
