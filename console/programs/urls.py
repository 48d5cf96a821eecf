"""The addresses of this room, below /admin/; `console.site` guards and hangs them."""

from django.urls import URLPattern, path

from console.programs import looking, publishing, rules, texts, trying, writing

_VERSION = "programs/versions/<int:pk>/"

pages: list[URLPattern] = [
    path("programs/", looking.Programs.as_view(), name="programs"),
    path("programs/new/", writing.NewProgram.as_view(), name="program-new"),
    path("programs/<int:pk>/", looking.OneProgram.as_view(), name="program"),
    path("programs/<int:pk>/draft/", writing.NewDraft.as_view(), name="program-draft"),
    path("programs/<int:pk>/close/", publishing.Close.as_view(), name="program-close"),
    path("programs/<int:pk>/retire/", publishing.Retire.as_view(), name="program-retire"),
    path(_VERSION, looking.OneVersion.as_view(), name="program-version"),
    path(f"{_VERSION}compare/", looking.Comparison.as_view(), name="program-compare"),
    path(f"{_VERSION}try/", trying.TryOnMeter.as_view(), name="program-try"),
    path(f"{_VERSION}publish/", publishing.Publish.as_view(), name="program-publish"),
    path(f"{_VERSION}drop/", writing.DropDraft.as_view(), name="program-drop"),
    path(f"{_VERSION}edit/<slug:section>/", writing.SectionPage.as_view(), name="program-section"),
    path(f"{_VERSION}languages/<slug:locale>/", writing.LanguagePage.as_view(), name="program-language"),
    path(f"{_VERSION}conditions/<slug:place>/", writing.ConditionPage.as_view(), name="program-condition"),
    path(f"{_VERSION}credentials/<slug:place>/", writing.CredentialPage.as_view(), name="program-credential"),
    path(f"{_VERSION}consents/<slug:place>/", writing.ConsentPage.as_view(), name="program-consent"),
    path("consent-texts/", texts.ConsentTexts.as_view(), name="consent-texts"),
    path("consent-texts/<int:program>/new/", texts.NewText.as_view(), name="consent-text-new"),
    path("consent-texts/<int:program>/<str:consent_type>/<str:version>/", texts.OneText.as_view(), name="consent-text"),
    path("conflict-rules/", rules.ConflictRules.as_view(), name="conflict-rules"),
    path("conflict-rules/pair/", rules.OnePair.as_view(), name="conflict-pair"),
]
