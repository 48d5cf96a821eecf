"""The JSON-LD contexts a document may name: pinned files beside this module, and our own. None is ever fetched.

Each file is byte for byte what the W3C serves, as far as a digest of it is published (table below); what has no
published digest is pinned by its own. The same URL cannot mean something else tomorrow, and a document cannot make us
call anybody.
Source: VCDM 1.1 and 2.0 appendix B.1, Data Integrity 1.0 section 2.4, Bitstring Status List 1.0 section 5.2.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from credentials import documents

FOLDER = Path(__file__).resolve().parent / "bundled"

CREDENTIALS_V1 = "https://www.w3.org/2018/credentials/v1"
CREDENTIALS_V2 = "https://www.w3.org/ns/credentials/v2"
DATA_INTEGRITY_V2 = "https://w3id.org/security/data-integrity/v2"

# URL → file, SHA-256 of its bytes.
PINNED = {
    CREDENTIALS_V1: (
        "credentials-v1.jsonld",
        "ab4ddd9a531758807a79a5b450510d61ae8d147eab966cc9a200c07095b0cdcc",
    ),
    CREDENTIALS_V2: (
        "credentials-v2.jsonld",
        "59955ced6697d61e03f2b2556febe5308ab16842846f5b586d7f1f7adec92734",
    ),
    DATA_INTEGRITY_V2: (
        "data-integrity-v2.jsonld",
        "67f21e6e33a6c14e5ccfd2fc7865f7474fb71a04af7e94136cb399dfac8ae8f4",
    ),
    "https://w3id.org/security/data-integrity/v1": (
        "data-integrity-v1.jsonld",
        "b5d829bd09aa7c42abc6efa0c8ed7635313b5487f37ccfce3ecd149ca9418554",
    ),
    "https://w3id.org/security/multikey/v1": (
        "multikey-v1.jsonld",
        "ba2c182de2d92f7e47184bcca8fcf0beaee6d3986c527bf664c195bbc7c58597",
    ),
    "https://w3id.org/security/jwk/v1": (
        "jwk-v1.jsonld",
        "0f14b62f6071aafe00df265770ea0c7508e118247d79b7d861a406d2aa00bece",
    ),
    "https://www.w3.org/ns/credentials/examples/v2": (
        "examples-v2.jsonld",
        "58d3eb0c82ff326381c11710fb6728245849089a8b000896a3bc07c882ac0e89",
    ),
    "https://www.w3.org/ns/did/v1": (
        "did-v1.jsonld",
        "4f3eae5568c9c5f036a082088f9e192019ee06faa78973c87ff91d5421b88dad",
    ),
    # The terms of the published document in other bytes (its digest is fda5add3…81d9f7): as digitalbazaar ships it.
    # A relatedResource that names it by the published digest is therefore refused.
    "https://www.w3.org/ns/credentials/status/v1": (
        "status-v1.jsonld",
        "fd08cbf28ddd829ab2f1978c48f43ab07a112c1c90245a0cfac7ba721c65170c",
    ),
    # No published digest.
    "https://www.w3.org/ns/credentials/undefined-terms/v2": (
        "undefined-terms-v2.jsonld",
        "82dab514ba44eb18f5d1b0f638c5e140c6a556fbfb5089601bdc0fa5eb8b2581",
    ),
}


def known_context(url: str) -> bytes | None:
    """Return the bytes behind a context's URL, None for a URL that we do not know."""
    if url in PINNED:
        return _pinned(url)
    ours = documents.contexts().get(url)
    return documents.as_served(ours).encode() if ours is not None else None


@cache
def _pinned(url: str) -> bytes:
    file, digest = PINNED[url]
    raw = (FOLDER / file).read_bytes()
    if hashlib.sha256(raw).hexdigest() != digest:
        raise RuntimeError(f"the bundled context {file} is not what was published")  # a broken installation
    return raw
