"""Embedded proofs: JSON-LD made canonical, and the two EdDSA cryptosuites over it.

`contexts` holds what JSON-LD may refer to, `jsonld` turns a document into the lines that are signed, `proofs` signs
and verifies. Nothing here asks a database or the network. Source: spec credentials.md 5 and 6.
"""
