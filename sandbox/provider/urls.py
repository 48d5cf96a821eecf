"""Everything below /o/; the library's names, some of them with our views."""

from django.urls import include, path, re_path
from oauth2_provider import views as library

from sandbox.provider import views

_ours = (
    [
        path("authorize/", views.Authorize.as_view(), name="authorize"),
        path("token/", library.TokenView.as_view(), name="token"),
        path("revoke_token/", library.RevokeTokenView.as_view(), name="revoke-token"),
        path("introspect/", views.Introspect.as_view(), name="introspect"),
        re_path(
            r"^\.well-known/openid-configuration/?$", views.Discovery.as_view(), name="oidc-connect-discovery-info"
        ),
        path(".well-known/jwks.json", library.JwksInfoView.as_view(), name="jwks-info"),
        path("userinfo/", library.UserInfoView.as_view(), name="user-info"),
        path("logout/", views.SignOut.as_view(template_name="provider/sign_out.html"), name="rp-initiated-logout"),
    ],
    "oauth2_provider",
)
urlpatterns = [
    path("o/login/", views.SignIn.as_view(), name="login"),
    path("o/second-step/", views.SecondStep.as_view(), name="second-step"),
    path("o/account/", views.account, name="account"),
    path("o/", include(_ours)),
]
