"""The provider's pages: sign in (with a second step where a client asks for it), consent, discovery, sign out."""

import json
import secrets
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django import forms
from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.generic import FormView
from oauth2_provider.exceptions import OAuthToolkitError
from oauth2_provider.models import get_access_token_model
from oauth2_provider.views import AuthorizationView, ConnectDiscoveryInfoView, IntrospectTokenView
from oauth2_provider.views.oidc import RPInitiatedLogoutView
from oauthlib.oauth2.rfc6749.errors import CustomOAuth2Error

from sandbox.provider import directory, logging_out, people
from sandbox.provider.models import Sitting
from sandbox.provider.validator import now

SITTING = "sitting"
STEP = "second-step"  # in the session: the code's digest is not worth the trouble in a sandbox
LEVELS = ("1", "2")
MOST_TRIES = 5


def house(request: HttpRequest) -> dict[str, Any]:
    return {"title": settings.TITLE}


def sitting_of(request: HttpRequest) -> Sitting | None:
    """The sign-in of this browser, while it lasts."""
    found = Sitting.objects.filter(sid=request.session.get(SITTING, "")).first()
    return found if found and not found.ended and request.user.is_authenticated else None


def begin_sitting(request: HttpRequest, user: Any, acr: str) -> None:
    """A sign-in, or a stronger one: the session gets a new id, the sitting keeps its own while it is one person's.

    Whoever types the password again begins with it alone: where two steps are wanted, both are taken.
    """
    known = Sitting.objects.filter(sid=request.session.get(SITTING, ""), user=user, ended=False).first()
    login(request, user, backend="sandbox.provider.people.Backend")
    sitting = known or Sitting(sid=secrets.token_urlsafe(24), user=user, auth_time=0)
    sitting.acr, sitting.auth_time = acr, now()
    sitting.save()
    request.session[SITTING] = sitting.sid


class SignIn(LoginView):
    """User name and password."""

    template_name = "provider/sign_in.html"
    authentication_form = AuthenticationForm
    redirect_authenticated_user = False

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        begin_sitting(self.request, form.get_user(), "1")
        return HttpResponseRedirect(self.get_success_url())

    def get_default_redirect_url(self) -> str:
        return "/o/account/"


class CodeForm(forms.Form):
    code = forms.CharField(label="Code", max_length=6)


class SecondStep(FormView):  # type: ignore[type-arg]
    """A code that the person reads in the outbox; a new one with each visit, five tries."""

    template_name, form_class = "provider/second_step.html", CodeForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not request.user.is_authenticated:
            return HttpResponseRedirect(f"{settings.LOGIN_URL}?{urlencode({'next': request.get_full_path()})}")
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        account = people.account_of(request.user)
        if account is not None:
            code = f"{secrets.randbelow(1_000_000):06d}"
            request.session[STEP] = {"code": code, "left": MOST_TRIES}
            assert directory.known is not None
            directory.known.send_code(account, code)
        return super().get(request, *args, **kwargs)

    def form_valid(self, form: CodeForm) -> HttpResponse:
        step = self.request.session.get(STEP) or {"code": "", "left": 0}
        if step["left"] <= 0 or not secrets.compare_digest(step["code"], form.cleaned_data["code"].strip()):
            self.request.session[STEP] = {**step, "left": step["left"] - 1}
            form.add_error("code", "That is not the code. Load this page again for a new one.")
            return self.form_invalid(form)
        del self.request.session[STEP]
        begin_sitting(self.request, self.request.user, "2")
        wanted = self.request.GET.get("next", "")
        is_ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts={self.request.get_host()})
        return HttpResponseRedirect(wanted if is_ours else "/o/account/")


class Authorize(AuthorizationView):  # type: ignore[misc]
    """The library's authorization page after a sign-in that is fresh and strong enough for what the client asks."""

    template_name = "provider/consent.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        sitting = sitting_of(request)
        prompt = request.GET.get("prompt", "").split()
        if request.user.is_authenticated and "login" not in prompt:
            if sitting is None or self._is_too_old(sitting):
                return self._elsewhere("none" in prompt, settings.LOGIN_URL, without="max_age")
            if self._wanted() > sitting.acr:
                return self._elsewhere("none" in prompt, "/o/second-step/")
        answer = super().get(request, *args, **kwargs)
        if "none" in prompt and answer.status_code == 200:
            return self._needs_consent()
        return answer

    def create_authorization_response(self, request: HttpRequest, scopes: Any, credentials: Any, allow: bool) -> Any:
        sitting = sitting_of(request)
        credentials["sitting_id"] = sitting.pk if sitting else None
        return super().create_authorization_response(request, scopes, credentials, allow and sitting is not None)

    def redirect(self, redirect_to: str, application: Any) -> Any:
        """RFC 9207 wants `iss` in errors as well; the library puts it where a code is."""
        if "iss" not in dict(parse_qsl(urlsplit(redirect_to).query)):
            redirect_to += f"{'&' if '?' in redirect_to else '?'}{urlencode({'iss': settings.ISSUER})}"
        return super().redirect(redirect_to, application)

    def _wanted(self) -> str:
        """The weakest level that the client is content with."""
        known = [level for level in self.request.GET.get("acr_values", "").split() if level in LEVELS]
        return min(known, default="1")

    def _is_too_old(self, sitting: Sitting) -> bool:
        longest = self.request.GET.get("max_age", "")
        return longest.isdecimal() and now() - sitting.auth_time >= int(longest)

    def _needs_consent(self) -> HttpResponse:
        """To the client: somebody is signed in and has to be asked, which `prompt=none` forbids."""
        said = self.oauth2_data
        error = CustomOAuth2Error(error="consent_required", state=said.get("state"))
        toolkit_error = OAuthToolkitError(error=error, redirect_uri=said["redirect_uri"])
        return self.error_response(toolkit_error, said["application"])  # type: ignore[no-any-return]

    def _elsewhere(self, is_silent: bool, address: str, *, without: str = "") -> HttpResponse:
        """To another page and back; `without` a parameter that is met by then, or it would be asked for ever."""
        if is_silent:
            self.request.user = _Nobody()  # the library then answers login_required to the client
            return self.handle_no_permission()  # type: ignore[no-any-return]
        asked = self.request.GET.copy()
        asked.pop(without, None)
        return HttpResponseRedirect(f"{address}?{urlencode({'next': f'{self.request.path}?{asked.urlencode()}'})}")


class _Nobody:
    is_authenticated = False
    is_active = False


class Discovery(ConnectDiscoveryInfoView):  # type: ignore[misc]
    """The library's document, and what we add to it."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
        said = json.loads(super().get(request, *args, **kwargs).content)
        said |= {
            "acr_values_supported": list(LEVELS),
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "introspection_endpoint": f"{settings.ISSUER}/introspect/",
            "revocation_endpoint": f"{settings.ISSUER}/revoke_token/",
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
            "id_token_signing_alg_values_supported": ["RS256"],
            "claims_supported": [
                *("sub", "iss", "aud", "azp", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid", "did"),
                *("utility_id", "id_type", "meter_ids", "utility_customer_ids"),
            ],
        }
        return JsonResponse(said, headers={"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=5"})


class Introspect(IntrospectTokenView):  # type: ignore[misc]
    """The library's answer, and what our access tokens say of themselves."""

    @staticmethod
    def get_token_response(token_value: str | None = None) -> Any:
        import jwt

        answer = IntrospectTokenView.get_token_response(token_value)
        said = json.loads(answer.content)
        if said.get("active") is True and token_value and token_value.count(".") == 2:
            said |= jwt.decode(token_value, options={"verify_signature": False})  # it is the one we keep
        return JsonResponse(said, status=answer.status_code)


class SignOut(RPInitiatedLogoutView):  # type: ignore[misc]
    """The end of the sitting, here and at every client that it was used for."""

    def do_logout(self, *args: Any, **kwargs: Any) -> Any:
        sitting = sitting_of(self.request)
        answer = super().do_logout(*args, **kwargs)
        if sitting is not None:
            logging_out.end(sitting)
        return answer


def account(request: HttpRequest) -> HttpResponse:
    """Who is signed in here, for people; POST signs out everywhere."""
    sitting = sitting_of(request)
    if request.method == "POST" and sitting is not None:
        logging_out.end(sitting)
        request.session.flush()
        return HttpResponseRedirect("/o/account/")
    who = people.account_of(request.user) if sitting else None
    tokens = get_access_token_model().objects.filter(user=request.user) if sitting else ()
    clients = sorted({token.application.client_id for token in tokens if token.application})
    return render(request, "provider/account.html", {"who": who, "sitting": sitting, "clients": clients})
