"""What a real deployment has outside: a utility with its issuers, a registry, an outside BAP. Never in production."""
