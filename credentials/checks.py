"""What must be true of credentials before this deployment may start (decision 60)."""
