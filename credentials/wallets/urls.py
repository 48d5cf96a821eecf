"""The addresses of wallets."""

from django.urls import path

from credentials.wallets import views

urlpatterns = [
    path("credentials/<str:credential_id>/offer", views.offer, name="wallet-offer"),
    path("wallet/offers/<str:reference>", views.offer_object, name="wallet-offer-object"),
    path("wallet/token", views.token, name="wallet-token"),
    path("wallet/nonce", views.nonce, name="wallet-nonce"),
    path("wallet/credential", views.credential, name="wallet-credential"),
    path(".well-known/openid-credential-issuer", views.issuer_metadata, name="wallet-issuer-metadata"),
    path(".well-known/oauth-authorization-server", views.server_metadata, name="wallet-server-metadata"),
    path("vct/<str:name>", views.type_metadata, name="wallet-type-metadata"),
]
