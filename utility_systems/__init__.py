"""The utilities' own systems (accounts, meters, DERs) as we see them."""
