"""The picture of a QR code. That a camera reads the right words from it, tests/pages shows."""

from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from credentials import qr

ADDRESS = "https://programs.example.com/verify/3f2a91bc-04de-47a1-9c3e-1234567890ab"


def picture(text: str) -> ElementTree.Element:
    scheme, _, svg = qr.data_uri(text).partition(",")
    assert scheme == "data:image/svg+xml"
    return ElementTree.fromstring(unquote(svg))


def test_an_address_becomes_a_picture_that_needs_neither_style_nor_script():
    svg = picture(ADDRESS)
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    assert {each.tag.rpartition("}")[2] for each in svg.iter()} == {"svg", "path"}
    assert not any(name in each.attrib for each in svg.iter() for name in ("style", "class", "onload", "href"))


def test_it_is_black_on_white_with_the_margin_that_scanners_need():
    svg = picture(ADDRESS)
    side = int(svg.attrib["viewBox"].split()[2])
    assert (side - 2 * 4 - 17) % 4 == 0  # ISO/IEC 18004: a code of version v is 17 + 4v modules wide
    ground, modules = svg
    assert (ground.attrib["fill"], ground.attrib["d"]) == ("#fff", f"M0 0h{side}v{side}h-{side}z")
    assert modules.attrib["stroke"] == "#000"


def test_other_words_are_another_picture():
    assert qr.data_uri(ADDRESS) != qr.data_uri(ADDRESS[:-1] + "c")


def test_quotes_and_angle_brackets_in_the_words_do_not_reach_the_attribute():
    assert not set(qr.data_uri("\"'<script>&")) & set('"<>&')


def test_what_no_code_can_hold_is_refused():
    with pytest.raises(ValueError, match="too long"):
        qr.data_uri("x" * 3000)
