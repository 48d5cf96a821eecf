"""Handing a credential to a wallet: OpenID4VCI 1.0 with a pre-authorised code, as VC-JWT or SD-JWT VC.

The holder's link makes an offer (`offers`), the wallet trades its code for a token (`offers.redeem`), signs a nonce
(`nonces`, `proofs`) and gets a form of the credential that is bound to its key (`handing_over`): same id, same status
index. What we promise stands in `configurations`. Source: OpenID4VCI 1.0 (final), RFC 9901, SD-JWT VC.
"""
