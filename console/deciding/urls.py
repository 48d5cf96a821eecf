"""The addresses of this room, below /admin/; `console.site` guards and hangs them."""

from django.urls import path

from console.deciding.documents import File, OneFile
from console.deciding.mandate_papers import OnePaper, Scan
from console.deciding.orders import OneOrder
from console.deciding.views import Decided, Next, Queue, Release
from console.deciding.why import Why

pages = [
    path("cases-to-decide/", Queue.as_view(), name="cases-to-decide"),
    path("cases-to-decide/next/", Next.as_view(), name="next-case-to-decide"),
    path("cases-to-decide/decided/", Decided.as_view(), name="cases-decided"),
    path("cases-to-decide/document/<str:reference>/", OneFile.as_view(), name="document-to-decide"),
    path("cases-to-decide/document/<str:reference>/file/", File.as_view(), name="document-to-decide-file"),
    path("cases-to-decide/document/<str:document>/why/", Why.as_view(), name="document-to-decide-why"),
    path("cases-to-decide/paper/<uuid:reference>/", OnePaper.as_view(), name="paper-to-decide"),
    path("cases-to-decide/paper/<uuid:reference>/file/", Scan.as_view(), name="paper-to-decide-file"),
    path("cases-to-decide/order/<int:reference>/", OneOrder.as_view(), name="order-to-decide"),
    path("cases-to-decide/order/<int:order>/why/", Why.as_view(), name="order-to-decide-why"),
    path("cases-to-decide/<str:kind>/<str:reference>/release/", Release.as_view(), name="case-to-decide-release"),
]
