"""What looks like a secret or a contact in free text: in log lines, and in what pages show of messages."""

import re

MASK = "***"
_IN_TEXT: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)([?&](?:t|token|code|state|nonce|access_token|id_token)=)[^&\s\"'<>]+"), rf"\1{MASK}"),
    (re.compile(r"(/(?:documents|uploads|wallet/offers|not-me|mandates|hand-over/link)/)[^/\s?\"'<>]+"), rf"\1{MASK}"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"), MASK),
    (re.compile(r"(?i)\b(bearer|basic|signature)\s+[^\s,;\"'}]{6,}(?:[^\n}]*signature=\"[^\"]*\")?"), rf"\1 {MASK}"),
    (re.compile(r"(?i)(\w+://[^/\s:@]*:)[^@/\s]+@"), rf"\1{MASK}@"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+\w"), MASK),
    (re.compile(r"(?<![\w.-])\+\d[\d ]{8,14}\d(?![\w.-])"), MASK),
)


def mask_text(text: str) -> str:
    """Replace whatever looks like a secret or a contact in free text."""
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    return text
