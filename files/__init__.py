"""Files that strangers send: looked into, made harmless, kept sealed, and handed out as attachments only."""
