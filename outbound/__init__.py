"""The other floor: the one HTTP client for every address that came from outside, with its guard."""
