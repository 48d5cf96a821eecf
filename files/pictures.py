"""Photographs and scans, drawn again: what is kept holds the picture alone.

Where and when it was taken, with which telephone, thumbnails, comments, colour profiles and whatever hides behind the
last pixel do not come along; and no reviewer's viewer meets bytes that somebody else has made. Only the size that the
header names is believed before decoding: a small file may unfold to gigabytes (a decompression bomb).
"""

from __future__ import annotations

import threading
import warnings
from io import BytesIO

from PIL import Image, ImageOps

#: Pixels of a picture at most: A4 at 600 dpi has 35 million. Decoded it takes four bytes for each.
MOST_PIXELS = 40_000_000
FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG"}
QUALITY = 88
#: Decoding takes up to some 250 MB: one picture at a time in each process.
_one_at_a_time = threading.BoundedSemaphore(1)


class Unreadable(Exception):
    """No decoder makes a picture of it: broken off, damaged, or something else behind the first bytes."""


class TooManyPixels(Exception):
    """The picture has more than MOST_PIXELS."""


def redrawn(content: bytes, media_type: str, max_bytes: int) -> tuple[bytes, str]:
    """The same picture, upright, without metadata, and its media type: that of FORMATS it came in, or JPEG where the
    new one would be longer than `max_bytes`. Raises Unreadable, TooManyPixels."""
    with _one_at_a_time:
        picture = _flat(_decoded(content, FORMATS[media_type]))
        drawn = _encoded(picture, FORMATS[media_type])
        if len(drawn) <= max_bytes:
            return drawn, media_type
        return _encoded(picture, "JPEG", quality=75), "image/jpeg"


def _decoded(content: bytes, name: str) -> Image.Image:
    """The first frame, turned as its camera was held."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we have a limit of our own
            picture = Image.open(BytesIO(content), formats=[name])
            if picture.width * picture.height > MOST_PIXELS:
                raise TooManyPixels
            picture.load()
            return ImageOps.exif_transpose(picture)
    except Image.DecompressionBombError as bomb:
        raise TooManyPixels from bomb
    # Decoders meet hostile bytes with whatever exception comes: each of them means that this is no picture.
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, ArithmeticError) as problem:
        raise Unreadable from problem
    except MemoryError as problem:
        raise TooManyPixels from problem


def _flat(picture: Image.Image) -> Image.Image:
    """In grey or in colour, eight bits each, on white where it was transparent."""
    if picture.mode.startswith("I"):  # 16 bits: conversion would cut off at 255
        return picture.point(lambda value: value * (1 / 256)).convert("L")
    if picture.has_transparency_data:
        over = picture.convert("RGBA")
        page = Image.new("RGB", over.size, "white")
        page.paste(over, mask=over.getchannel("A"))
        return page
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _encoded(picture: Image.Image, name: str, quality: int = QUALITY) -> bytes:
    target = BytesIO()
    picture.info = {}  # comments, profiles, positions: encoders take some of it along
    picture.save(target, name, **({"quality": quality} if name == "JPEG" else {}))
    return target.getvalue()
