"""Programs and their versions, conflict rules, consent texts (screens C7, C9)."""
