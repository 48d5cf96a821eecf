"""The addresses of this package (contract.md). Ids in them are judged by `addresses.resolve_id`."""

from django.urls import include, path

from credentials import key_views, list_views, public_views, views

urlpatterns = [
    path("", include("credentials.vc_api.urls")),
    path("credentials/<str:credential_id>", views.credential, name="credential"),
    path("credentials/<str:credential_id>/receipt", views.receipt, name="credential-receipt"),
    path("", include("credentials.wallets.urls")),
    path("verify", views.verify_posted, name="verify"),
    path("verify/<str:credential_id>", views.verify_issued, name="verify-credential"),
    path("status/<slug:slug>", list_views.status_list, name="status-list"),
    path("status/<slug:slug>/<int:number>", list_views.status_list, name="status-list-number"),
    path("status/<slug:slug>.<str:suffix>", list_views.status_list, name="status-list-form"),
    path("status/<slug:slug>/<int:number>.<str:suffix>", list_views.status_list, name="status-list-number-form"),
    path(
        "dedi/lookup/<str:namespace>/vc-revocation-registry/<path:record>", list_views.dedi_record, name="dedi-record"
    ),
    path("contexts/energy-credentials-v1.jsonld", public_views.context, name="credential-context"),
    path("contexts/energy-credentials-deg-v1.jsonld", public_views.deg_context, name="credential-deg-context"),
    path("schemas/<str:name>.json", public_views.schema, name="credential-schema"),
    path(".well-known/did.json", key_views.did_document, name="did-document"),
    path(".well-known/jwks.json", key_views.jwks, name="jwks"),
    path(".well-known/jwt-vc-issuer", key_views.jwt_vc_issuer, name="jwt-vc-issuer"),
]
