"""The VC API of spec credentials.md 5: issuing, verifying and status for wallets, other verifiers and the W3C suites.

`views` are the doors, `shapes` reads and writes their JSON, `statuses` is the status act, `jose` what the command
`vc_cli` does. Credentials issued here are of `Kind.GENERAL`; `credentials.general` makes them.
"""
