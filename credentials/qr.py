"""A QR code as a picture that a page may show under a strict Content-Security-Policy.

Source: ISO/IEC 18004; spec credentials.md 5 ("with a QR code").
"""

from urllib.parse import quote

import segno

QUIET_ZONE = 4
"""Modules of white around the code; the standard asks for four."""


def data_uri(text: str) -> str:
    """Return `text` as a QR code: an SVG `data:` URI for `<img src>`, black on white on dark pages too.

    Neither style nor script is inside: `img-src data:` is all that the page's policy has to allow. Error correction
    is at least M (15 % may be lost, as on a folded receipt), and higher where that makes the code no larger. Raises
    ValueError where the text does not fit (from about 2,300 bytes on).
    """
    try:
        code = segno.make(text, error="m", micro=False)
    except segno.DataOverflowError as error:
        raise ValueError("The text is too long for a QR code.") from error
    svg = code.svg_inline(border=QUIET_ZONE, dark="#000", light="#fff", omitsize=True, svgclass=None, lineclass=None)
    # Rows are drawn as lines: without this, scaling leaves hairs of grey between them.
    svg = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" shape-rendering="crispEdges" ', 1)
    return "data:image/svg+xml," + quote(svg, safe=" =:/'(),-")
