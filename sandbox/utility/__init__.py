"""A utility as a process of its own: accounts, meters, DERs, credential issuers, a registry.

An outside party and an independent oracle: it imports nothing of the product.
"""
