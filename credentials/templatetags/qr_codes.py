"""`{% qr_code address as picture %}`: an address as a picture for `<img src>`."""

from django import template

from credentials import qr

register = template.Library()


@register.simple_tag
def qr_code(address: str) -> str:
    """Return the QR code as a `data:` URI; "" where there is nothing to encode, or too much."""
    try:
        return qr.data_uri(address) if address else ""
    except ValueError:
        return ""
