"""The portals: BAPs that see the program owner only through signed messages (design, layers)."""
