"""What this room keeps of people, how long, and what of it answers a person who asks.

Also the journal's, which lies below and knows no people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from audit import exports
from audit.models import Event, Export
from audit.readers import lines_of_subject
from identity import jwts, keeping, limits, one_time_codes, sessions
from identity.keeping import Ground, How, Kind, Person, Room, Section
from identity.models import (
    AgencyLetter,
    Mandate,
    Membership,
    OidcSession,
    OneTimeCode,
    PersonRequest,
    ProofUse,
    RateBucket,
    StaffLetter,
    StaffMember,
    Subject,
    SubjectUtilityLink,
    User,
)

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
#: After so long a letter that nobody could send is not sent any more.
LETTERS = timedelta(days=7)
#: An invitation that nobody has taken up is forgotten so long after its end.
NOT_JOINED = timedelta(days=90)
#: Lines of the journal in a copy, the newest.
MOST_LINES = 5000
_NOTHING = {"name": "", "email": ""}


# --- what goes -------------------------------------------------------------------------------------------------------


def _codes(now: datetime) -> int:
    return keeping.delete(OneTimeCode.objects.filter(asked_at__lt=now - one_time_codes.KEPT))


def _token_uses(now: datetime) -> int:
    return keeping.delete(ProofUse.objects.filter(expires_at__lt=now - jwts.LONGEST_LIFE))


def _browser_sessions(now: datetime) -> int:
    return keeping.delete(Session.objects.filter(expire_date__lt=now))


def _letters(now: datetime) -> int:
    count = 0
    for model in (AgencyLetter, StaffLetter):
        unsent = keeping.filled(model._default_manager.filter(made_at__lt=now - LETTERS), "to", "text")
        keys = keeping.some(unsent)
        count += model._default_manager.filter(pk__in=keys, sent_at=None).update(to="", text="", given_up_at=now)
        count += model._default_manager.filter(pk__in=keys).exclude(sent_at=None).update(to="", text="")
    return count


def _past_members(before: datetime, not_joined: datetime) -> QuerySet[Membership]:
    never_came = Q(joined_at=None, user=None, invitation_ends_at__lt=not_joined)
    return keeping.filled(Membership.objects.filter(Q(switched_off_at__lt=before) | never_came), "name", "email")


def _members(now: datetime) -> int:
    return keeping.wipe(_past_members(now - keeping.of_people(), now - NOT_JOINED), **_NOTHING)


def _past_staff(before: datetime) -> QuerySet[StaffMember]:
    return keeping.filled(StaffMember.objects.filter(switched_off_at__lt=before), "name", "email")


def _staff(now: datetime) -> int:
    return keeping.wipe(_past_staff(now - keeping.of_people()), **_NOTHING, email_index=None)


def _known() -> QuerySet[Subject]:
    """People of whom we know how to reach them, or under which number their utility has them."""
    has_number = Exists(
        keeping.filled(SubjectUtilityLink.objects.filter(subject=OuterRef("pk")), "utility_customer_id")
    )
    told = {f"length_of_{field}": keeping.length(field) for field in ("name", "email", "phone")}
    says = Q(length_of_name__gt=0) | Q(length_of_email__gt=0) | Q(length_of_phone__gt=0)
    return Subject.objects.alias(**told).filter(says | has_number)


def _contacts(now: datetime) -> int:
    keys = keeping.some(keeping.unused(_known(), now - keeping.of_people()))
    return _forget_contacts(keys)


def _forget_contacts(keys: Iterable[Any]) -> int:
    keys = list(keys)
    SubjectUtilityLink.objects.filter(subject__in=keys).update(utility_customer_id="", customer_index=None)
    User.objects.filter(subject__in=keys, staff_member=None).update(**_NOTHING)
    return Subject.objects.filter(pk__in=keys).update(
        name="", email="", phone="", email_index=None, phone_index=None, locale=""
    )


def _idle_accounts(before: datetime) -> QuerySet[User]:
    """Accounts of nobody in particular: no person, nobody's member, not staff."""
    idle = User.objects.filter(Q(last_login__lt=before) | Q(last_login=None), subject=None, is_staff=False)
    return keeping.filled(idle.exclude(Exists(Membership.objects.filter(user=OuterRef("pk")))), "name", "email")


def _accounts(now: datetime) -> int:
    return keeping.wipe(_idle_accounts(now - keeping.of_people()), **_NOTHING)


def _exports(now: datetime) -> int:
    return keeping.wipe(PersonRequest.objects.filter(file__isnull=False, file_until__lte=now), file=None)


def _answers(now: datetime) -> int:
    over = PersonRequest.objects.filter(closed_at__lt=now - keeping.of_people())
    noted = over.alias(noted=keeping.length("note")).filter(Q(answer__isnull=False) | Q(noted__gt=0))
    return keeping.wipe(noted, answer=None, note="", file=None)


def _oldest_session() -> datetime | None:
    return keeping.first(OidcSession.objects.filter(ended_at=None), "began_at")


def _oldest_letter() -> datetime | None:
    moments = [
        keeping.first(keeping.filled(model._default_manager.all(), "to", "text"), "made_at")
        for model in (AgencyLetter, StaffLetter)
    ]
    return min((each for each in moments if each is not None), default=None)


KINDS = (
    Kind(
        code="identity.sign-ins",
        name=_("Sign-ins and their tokens; links between two accounts that were being made"),
        ground=Ground.SERVICE,
        how=How.WIPE,
        since=_("the sign-in"),
        period=lambda: sessions.LASTS,
        covers=("identity.oidcsession.tokens", "identity.oidcsession.claims", "identity.linkreference.identities"),
        stays=_("That somebody was signed in, for 30 days: a provider may ask to end it. Then nothing."),
        let_go=sessions.forget_old,
        oldest=_oldest_session,
        every=MINUTE,
    ),
    Kind(
        code="identity.browser-sessions",
        name=_("Browsers’ sessions"),
        ground=Ground.SERVICE,
        how=How.DELETE,
        since=_("the session’s end"),
        period=timedelta,
        let_go=_browser_sessions,
        oldest=lambda: keeping.first(Session.objects.all(), "expire_date"),
        every=HOUR,
    ),
    Kind(
        code="identity.codes",
        name=_("Codes that were sent to customers: the utility’s session, and the proof"),
        ground=Ground.SECURITY,
        how=How.DELETE,
        since=_("the code was asked for"),
        period=lambda: one_time_codes.KEPT,
        covers=("identity.onetimecode.session", "identity.onetimecode.proof"),
        let_go=_codes,
        oldest=lambda: keeping.first(OneTimeCode.objects.all(), "asked_at"),
        every=HOUR,
    ),
    Kind(
        code="identity.token-uses",
        name=_("Digests of tokens, so that none counts for two orders"),
        ground=Ground.SECURITY,
        how=How.DELETE,
        since=_("the token’s end"),
        period=lambda: jwts.LONGEST_LIFE,
        let_go=_token_uses,
        oldest=lambda: keeping.first(ProofUse.objects.all(), "expires_at"),
        every=HOUR,
    ),
    Kind(
        code="identity.network-addresses",
        name=_("Network addresses, to count tries"),
        ground=Ground.SECURITY,
        how=How.DELETE,
        since=_("the last try"),
        period=lambda: limits.KEPT,
        covers=("identity.ratebucket.key",),
        let_go=limits.forget_old,
        oldest=lambda: keeping.first(RateBucket.objects.all(), "at"),
        every=timedelta(minutes=10),
    ),
    Kind(
        code="identity.letters",
        name=_("Letters to people of agencies and of ours: address and words"),
        ground=Ground.SERVICE,
        how=How.WIPE,
        since=_("the letter was written; once it has gone, at once"),
        period=lambda: LETTERS,
        covers=(
            "identity.agencyletter.to",
            "identity.agencyletter.text",
            "identity.staffletter.to",
            "identity.staffletter.text",
        ),
        stays=_("What it was about and when it went, so that nobody is told twice."),
        let_go=_letters,
        oldest=_oldest_letter,
    ),
    Kind(
        code="identity.agency-people",
        name=_("Names and addresses of agencies’ people"),
        ground=Ground.CONTRACT,
        how=How.WIPE,
        since=_("they were switched off; an invitation nobody took up: 90 days after its end"),
        period=keeping.of_people,
        covers=("identity.membership.name", "identity.membership.email"),
        stays=_("The operator’s id that their agency gave them: it says who helped whom."),
        let_go=_members,
        oldest=lambda: keeping.first(
            keeping.filled(Membership.objects.exclude(switched_off_at=None), "name", "email"), "switched_off_at"
        ),
    ),
    Kind(
        code="identity.staff",
        name=_("Names and addresses of staff"),
        ground=Ground.CONTRACT,
        how=How.WIPE,
        since=_("they were switched off"),
        period=keeping.of_people,
        covers=("identity.staffmember.name", "identity.staffmember.email"),
        stays=_("An id without meaning, by which the journal says who has acted."),
        let_go=_staff,
        oldest=lambda: keeping.first(
            keeping.filled(StaffMember.objects.exclude(switched_off_at=None), "name", "email"), "switched_off_at"
        ),
    ),
    Kind(
        code="identity.contacts",
        name=_("Names, addresses and numbers of customers, and their numbers at their utilities"),
        ground=Ground.CONTRACT,
        how=How.WIPE,
        since=_("the person’s last enrolment, application or mandate ended"),
        period=keeping.of_people,
        covers=(
            "identity.subject.name",
            "identity.subject.email",
            "identity.subject.phone",
            "identity.subjectutilitylink.utility_customer_id",
        ),
        stays=_("What the network calls the person (a pseudonym), to which the evidence of enrolments belongs."),
        let_go=_contacts,
    ),
    Kind(
        code="identity.accounts",
        name=_("Names and addresses of accounts that belong to nobody’s enrolment"),
        ground=Ground.SERVICE,
        how=How.WIPE,
        since=_("the last sign-in"),
        period=keeping.of_people,
        covers=("identity.user.name", "identity.user.email"),
        stays=_("The pseudonym under which the sign-in service knows them."),
        let_go=_accounts,
    ),
    Kind(
        code="identity.exports",
        name=_("Copies that were made for people who asked for theirs"),
        ground=Ground.DUTY,
        how=How.WIPE,
        since=_("the copy’s last day"),
        period=timedelta,
        covers=("identity.personrequest.file",),
        stays=_("That and when it was made, and its SHA-256."),
        let_go=_exports,
        oldest=lambda: keeping.first(PersonRequest.objects.filter(file__isnull=False), "file_until"),
        every=HOUR,
    ),
    Kind(
        code="identity.answers",
        name=_("What people were answered who asked for their data or its erasure"),
        ground=Ground.DUTY,
        how=How.WIPE,
        since=_("the answer"),
        period=keeping.of_people,
        covers=("identity.personrequest.answer", "identity.personrequest.note"),
        stays=_("That they asked and were answered, and when."),
        let_go=_answers,
        oldest=lambda: keeping.first(PersonRequest.objects.filter(answer__isnull=False), "closed_at"),
    ),
    Kind(
        code="audit.exports",
        name=_("Files of journal lines that auditors had made"),
        ground=Ground.PROOF,
        how=How.DELETE,
        since=_("the file’s last day"),
        period=timedelta,
        stays=_("That it was made, for whom, its filters and its SHA-256. The lines name nobody."),
        let_go=exports.forget,
        oldest=lambda: keeping.first(Export.objects.exclude(parts=[]), "expires_at"),
    ),
    Kind(
        code="identity.mandates",
        name=_("Mandates: whom a customer let act for them, for what, until when"),
        ground=Ground.PROOF,
        how=How.STAYS,
        since=_("the mandate"),
        period=lambda: None,
        stays=_("It names nobody: pseudonyms, dates, digests. It proves that an agency was allowed to act."),
        oldest=lambda: keeping.first(Mandate.objects.all(), "valid_from"),
    ),
    Kind(
        code="audit.journal",
        name=_("The journal"),
        ground=Ground.PROOF,
        how=How.STAYS,
        since=_("the act"),
        period=lambda: None,
        stays=_("Ids, codes and counts, chained and sealed: a line that went would break the proof of all others."),
        oldest=lambda: Event.objects.order_by("pk").values_list("at", flat=True).first(),
    ),
)


# --- one person ------------------------------------------------------------------------------------------------------


def _uses(before: datetime) -> Iterable[Exists]:
    yield Exists(Mandate.objects.filter(subject=OuterRef("pk"), valid_until__gte=before))
    yield Exists(PersonRequest.objects.filter(subject=OuterRef("pk"), asked_at__gte=before))
    yield Exists(User.objects.filter(subject=OuterRef("pk"), last_login__gte=before))
    yield Exists(SubjectUtilityLink.objects.filter(subject=OuterRef("pk"), linked_at__gte=before))
    yield Exists(Membership.objects.filter(user__subject=OuterRef("pk"), active=True))


def _held(person: Person) -> Iterable[Section]:
    subjects = Subject.objects.filter(pk__in=person.ids).order_by("pk")
    yield Section(
        "Who you are",
        [
            {
                "id": str(each.pk),
                "the network calls you": each.did or "",
                "name": each.name,
                "e-mail": each.email,
                "telephone": each.phone,
                "language": each.locale,
            }
            for each in subjects
        ],
    )
    yield Section(
        "Your accounts",
        [
            {"provider": each.issuer, "its name for you": each.sub, "last sign-in": each.last_login}
            for each in User.objects.filter(pk__in=person.users).order_by("pk")
        ],
    )
    links = SubjectUtilityLink.objects.filter(subject__in=person.ids).order_by("pk")
    yield Section(
        "How utilities know you",
        [
            {
                "utility": each.utility_id,
                "customer number": each.utility_customer_id,
                "sign-in": each.sub,
                "linked": each.linked_at,
                "state": each.status,
            }
            for each in links
        ],
    )
    mandates = Mandate.objects.filter(subject__in=person.ids).select_related("agency").order_by("pk")
    yield Section(
        "Who may act, or might act, for you",
        [
            {
                "mandate": each.mandate_id,
                "agency": each.agency.name,
                "for": ", ".join(each.actions),
                "program": each.program_id,
                "from": each.valid_from,
                "until": each.valid_until,
                "state": each.state,
            }
            for each in mandates
        ],
    )
    asked = PersonRequest.objects.filter(subject__in=person.ids).defer("file").order_by("pk")
    yield Section(
        "What you have asked about your data",
        [
            {"asked for": each.kind, "on": each.asked_at, "state": each.state, "answered on": each.closed_at}
            for each in asked
        ],
    )
    lines = lines_of_subject(person.ids, most=MOST_LINES).lines
    yield Section(
        "What was done with your data",
        [
            {
                "when": line.at,
                "what": line.action,
                "by": line.actor_id if line.actor_kind in ("PARTICIPANT", "AGENCY") else line.actor_kind.value,
                "through": line.channel.value,
                "about": f"{line.object_type} {line.object_id}".strip(),
                "reference": line.reference,
            }
            for line in lines
        ],
    )


def _erase(person: Person, now: datetime) -> Mapping[str, int]:
    links = SubjectUtilityLink.objects.filter(subject__in=person.ids)
    numbers = keeping.filled(links, "utility_customer_id").count()
    known = keeping.filled(Subject.objects.filter(pk__in=person.ids), "name", "email", "phone").count()
    links.update(acr="", amr=[], auth_time=None, proof_digest="")
    _forget_contacts(person.ids)
    signed_in = OidcSession.objects.filter(user__in=person.users, ended_at=None)
    tokens_gone = signed_in.update(tokens=None, claims=None, ended_at=now, ended_by="ERASED", renewing_until=None)
    files = PersonRequest.objects.filter(subject__in=person.ids, file__isnull=False).update(file=None)
    return {"CONTACT": known, "CUSTOMER_NUMBER": numbers, "SIGN_IN": tokens_gone, "COPY": files}


def _stays(person: Person) -> Mapping[str, int]:
    lines = Event.objects.filter(subject__in=[str(each) for each in person.ids]).exclude(subject="")
    return {
        "ACCOUNT": len(person.users),
        "MANDATE": Mandate.objects.filter(subject__in=person.ids).count(),
        # Somebody may have many lines; more than this nobody reads.
        "JOURNAL": len(lines.order_by("-pk").values_list("pk", flat=True)[:MOST_LINES]),
        "REQUEST": PersonRequest.objects.filter(subject__in=person.ids).count(),
    }


ROOM = Room("identity", KINDS, uses=_uses, held=_held, erase=_erase, stays=_stays)
