"""The addresses of this room, below /admin/; `console.site` guards and hangs them."""

from django.urls import URLPattern, path

from console.messages import participants, refused, views

pages: list[URLPattern] = [
    path("inbox/", views.InboxPage.as_view(), name="inbox"),
    path("inbox/<int:pk>/", views.ReceivedMessage.as_view(), name="received-message"),
    path("inbox/<int:pk>/payload/", views.ReceivedPayload.as_view(), name="received-message-payload"),
    path("inbox/<int:pk>/retry/", views.ReceivedRetry.as_view(), name="received-message-retry"),
    path("inbox/<int:pk>/give-up/", views.ReceivedGiveUp.as_view(), name="received-message-give-up"),
    path("outbox/", views.OutboxPage.as_view(), name="outbox"),
    path("outbox/<int:pk>/", views.SentMessage.as_view(), name="sent-message"),
    path("outbox/<int:pk>/payload/", views.SentPayload.as_view(), name="sent-message-payload"),
    path("outbox/<int:pk>/retry/", views.SentRetry.as_view(), name="sent-message-retry"),
    path("outbox/<int:pk>/give-up/", views.SentGiveUp.as_view(), name="sent-message-give-up"),
    path("refused/", refused.RefusedPage.as_view(), name="refused-messages"),
    path("participants/", participants.ParticipantsPage.as_view(), name="participants"),
    path("participants/<int:pk>/", participants.ParticipantPage.as_view(), name="participant"),
    path("participants/<int:pk>/suspend/", participants.Suspend.as_view(), name="participant-suspend"),
    path("participants/<int:pk>/resume/", participants.Resume.as_view(), name="participant-resume"),
]
