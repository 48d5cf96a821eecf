"""The network's grammar: signatures, participants, inbox, outbox, callbacks. Only this package knows JSON paths."""
