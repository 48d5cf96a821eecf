"""Where an applicant gives files: what stands beside the place for the next one."""

from __future__ import annotations

from django.template.loader import render_to_string

from portals import reading
from portals.utility.views_documents import Wanted


def test_where_the_next_file_is_sent_to_stands_why_the_one_before_was_not_accepted() -> None:
    asked = {
        "documentId": "document-2",
        "kind": "DER_CERTIFICATE",
        "formats": ["image/png"],
        "maxBytes": 1 << 20,
        "uploadUrl": "https://owner.example/documents/secret-token",
        "status": "ASKED",
        "reason": "INCOMPLETE",
        "reviewText": "Please photograph <all> of the page.",
    }
    told = {"message": {"order": {"beckn:orderAttributes": {"documents": [asked]}}}}
    (document,) = reading.prepared(told).documents
    shown = render_to_string("portal/documents/before.html", {"wanted": Wanted(document, None, {})})
    assert "a page or a part of it is missing." in shown
    assert "Please photograph &lt;all&gt; of the page." in shown and "secret-token" not in shown

    first = reading.prepared(
        {"message": {"order": {"beckn:orderAttributes": {"documents": [{**asked, "reason": "", "reviewText": ""}]}}}}
    ).documents[0]
    assert not render_to_string("portal/documents/before.html", {"wanted": Wanted(first, None, {})}).strip()
