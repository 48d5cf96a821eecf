"""How strong a sign-in was, and whether that is enough. Pure."""

from collections.abc import Sequence


def reaches(acr: str, least: str, levels: Sequence[str] = ()) -> bool:
    """Say whether a sign-in of `acr` is at least as strong as `least`; anything is, where nothing is asked.

    `levels` are the provider's own names, the weakest first. Numbers are levels by themselves; any other name means
    only itself.
    """
    if not least or acr == least:
        return True
    if acr in levels and least in levels:
        return levels.index(acr) >= levels.index(least)
    return acr.isdecimal() and least.isdecimal() and int(acr) >= int(least)
