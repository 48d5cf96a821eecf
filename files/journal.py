"""The shelf of the journal's exports (`audit.keeper.Keeper`)."""

from files.store import Shelf

EXPORTS = Shelf("journal-export", "journal-exports")
