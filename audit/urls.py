from django.urls import path

from audit import views

urlpatterns = [
    path("journal/seals", views.seal_list, name="journal-seals"),
    path("journal/seals/<str:day>", views.seal_of_day, name="journal-seal"),
    path("journal/keys", views.keys, name="journal-keys"),
]
