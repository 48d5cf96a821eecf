"""Signing people in at their utility: our side of OpenID Connect, on mozilla-django-oidc where that is enough.

`requests` sends the browser away and knows it again, `backend` proves who came back, `endings` says what went wrong,
`views` are the pages. Source: issue 4 point 1, dependencies.md (traps of the library).
"""
