"""The identity provider of a sandbox utility: django-oauth-toolkit with our people, as a site of its own.

A Django project apart from the product's: own settings, own database (an SQLite file beside the utility's keys), own
cookies. It lives in the utility's process below /o/ and starts with the first request that asks for it.
"""
