"""Which of the sandbox's invented customers belong to which tests: in a shared stack each of them joins once."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterator


@enum.unique
class Block(enum.IntEnum):
    """The first of the ten thousand numbers (of `load-nnnnnn`) that a module, or a family of them, has to itself."""

    SCENES = 600_001
    SIGN_IN = 690_001
    CODES = 710_001
    TOKENS = 720_001
    PERSONA_1 = 730_001
    PROOF_IN_TROUBLE = 740_001
    PEOPLE = 750_001
    WALKING = 760_001
    ASSISTING = 770_001
    NOTICES = 860_001
    UTILITY_NEWS = 870_001
    DEVICES = 880_001
    IMPORTS = 890_001
    PAPERS = 900_001
    ASSISTED_PERSONAS = 920_001
    CONSOLE = 940_001

    def customers(self) -> Iterator[str]:
        """One after the other, each a customer of utility A with one meter of the same name."""
        return (f"load-{number:06}" for number in itertools.count(self.value))
