"""A portal that we do not own: plays the onboarding guide's story over HTTP and believes nothing it cannot check.

Imports nothing of the product: signatures, look-ups and credentials are checked from the specifications alone.
"""
