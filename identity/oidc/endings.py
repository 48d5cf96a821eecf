"""How a sign-in can end without one: each is a page that says what happened and what to do (screens P3)."""

from enum import StrEnum


class Ending(StrEnum):
    CANCELLED = "cancelled"  # the person said no, at the provider
    NO_ACCOUNT = "no-account"  # the provider knows the person, but no account of a utility
    INACTIVE = "inactive"  # the user is switched off here
    UNAVAILABLE = "unavailable"  # the provider does not answer
    EXPIRED = "expired"  # it took too long
    USED = "used"  # the answer came twice, or into another browser than asked
    WRONG_PROVIDER = "wrong-provider"  # the answer is another provider's
    NOT_BELIEVED = "not-believed"  # what the provider said does not hold
    TOO_WEAK = "too-weak"  # a second step was asked for and not taken
    OTHER_PERSON = "other-person"  # somebody else signed in than was expected
    LINK_OVER = "link-over"  # a link started elsewhere, by another, or too long ago
    TOO_MANY = "too-many"


STATUS = {
    Ending.CANCELLED: 200,
    Ending.NO_ACCOUNT: 403,
    Ending.INACTIVE: 403,
    Ending.UNAVAILABLE: 503,
    Ending.TOO_WEAK: 403,
    Ending.OTHER_PERSON: 403,
    Ending.TOO_MANY: 429,
}  # the others: 400


class SignInFailed(Exception):
    """The sign-in ends here; the text is for the log and repeats nothing that was sent."""

    def __init__(self, ending: Ending, reason: str = "") -> None:
        super().__init__(reason or ending.value)
        self.ending = ending
