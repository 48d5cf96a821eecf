"""How long personal data is kept, and what people asked about theirs."""
