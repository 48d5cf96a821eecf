"""The figures of the console: kept by the worker (`enrollment.figures`), so that no page counts a million rows."""

from __future__ import annotations

from django.db import models


class Stage(models.IntegerChoices):
    """How far an application came; each stage holds those before it."""

    STARTED = 1
    IDENTIFIED = 2
    ELIGIBLE = 3
    CONSENTED = 4
    CONFIRMED = 5


class CaseFigure(models.Model):
    """What one application counts as in the figures: subtracted again before it counts as something else.

    `case_id` is the case's key, and stays when the case is deleted. `decided_bucket` is where the time from the first
    message to the decision falls (`enrollment.figures.buckets`), null while nothing is decided. pii: none
    """

    case_id = models.BigIntegerField(primary_key=True)
    day = models.DateField()
    program_id = models.CharField(max_length=200)
    channel = models.CharField(max_length=20)
    utility_id = models.CharField(max_length=200)
    agency_id = models.CharField(max_length=200)
    stage = models.SmallIntegerField()
    outcome = models.CharField(max_length=10, help_text="REFUSED, GIVEN_UP, or empty.")
    code = models.CharField(max_length=40, help_text="Why it was refused.")
    decided_on = models.DateField(null=True)
    decided_bucket = models.SmallIntegerField(null=True)
    joined_on = models.DateField(null=True)
    left_on = models.DateField(null=True)
    kw = models.FloatField(default=0)

    class Meta:
        db_table = "figures_cases"

    def __str__(self) -> str:
        return f"{self.case_id} {self.stage}"


class DailyFigure(models.Model):
    """The applications and enrolments of one day in one program, channel, utility and agency ("" where there is none).

    The first columns count applications by the day they began, whenever they came further; `joined`, `ended` and their
    capacity by the day it happened. No constraint keeps a value above zero: a row is corrected by adding what may be
    negative. pii: none
    """

    day = models.DateField()
    program_id = models.CharField(max_length=200)
    channel = models.CharField(max_length=20)
    utility_id = models.CharField(max_length=200)
    agency_id = models.CharField(max_length=200)
    started = models.IntegerField(default=0)
    identified = models.IntegerField(default=0)
    eligible = models.IntegerField(default=0)
    consented = models.IntegerField(default=0)
    confirmed = models.IntegerField(default=0)
    refused = models.IntegerField(default=0)
    given_up = models.IntegerField(default=0)
    joined = models.IntegerField(default=0)
    ended = models.IntegerField(default=0)
    joined_kw = models.FloatField(default=0)
    ended_kw = models.FloatField(default=0)

    class Meta:
        db_table = "figures_daily"
        constraints = [
            models.UniqueConstraint(
                fields=["day", "program_id", "channel", "utility_id", "agency_id"], name="one_daily_figure_per_cell"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.program_id}"


class RefusalFigure(models.Model):
    """How many applications that began on a day were refused with a code.

    `at_the_door`: refused before an application was opened, by the day of the message. pii: none
    """

    day = models.DateField()
    program_id = models.CharField(max_length=200)
    channel = models.CharField(max_length=20)
    utility_id = models.CharField(max_length=200)
    agency_id = models.CharField(max_length=200)
    at_the_door = models.BooleanField(default=False)
    code = models.CharField(max_length=40)
    count = models.IntegerField(default=0)

    class Meta:
        db_table = "figures_refusals"
        constraints = [
            models.UniqueConstraint(
                fields=["day", "program_id", "channel", "utility_id", "agency_id", "at_the_door", "code"],
                name="one_refusal_figure_per_cell_and_code",
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.code}"


class DurationFigure(models.Model):
    """How many things took how long: a decision, by the day it was made; a revocation's publication, by its day.

    pii: none
    """

    class Kind(models.TextChoices):
        DECISION = "DECISION"
        PUBLICATION = "PUBLICATION"

    kind = models.CharField(max_length=12, choices=Kind.choices)
    day = models.DateField()
    program_id = models.CharField(max_length=200)
    channel = models.CharField(max_length=20)
    utility_id = models.CharField(max_length=200)
    bucket = models.SmallIntegerField()
    count = models.IntegerField(default=0)

    class Meta:
        db_table = "figures_durations"
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "day", "program_id", "channel", "utility_id", "bucket"],
                name="one_duration_figure_per_cell_and_bucket",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.day}"


class UnpublishedFigure(models.Model):
    """Revocations of a moment in one list, waiting for the list's next publication to be counted. pii: none"""

    status_list_id = models.BigIntegerField()
    at = models.DateTimeField()
    count = models.IntegerField()

    class Meta:
        db_table = "figures_unpublished"

    def __str__(self) -> str:
        return f"{self.status_list_id} {self.at}"


class ListFigure(models.Model):
    """How full a status list was at the end of a day (today: now), and how many of its places are revoked. pii: none"""

    day = models.DateField()
    status_list_id = models.BigIntegerField()
    kind = models.CharField(max_length=12)
    number = models.IntegerField()
    size = models.IntegerField()
    taken = models.IntegerField()
    revoked = models.IntegerField()

    class Meta:
        db_table = "figures_lists"
        constraints = [models.UniqueConstraint(fields=["day", "status_list_id"], name="one_list_figure_per_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.kind} {self.number}"


class FigureCursor(models.Model):
    """How far the worker has read the journal's chain for the figures: one row, locked by who reads. pii: none"""

    name = models.CharField(max_length=20, primary_key=True)
    seq = models.BigIntegerField(default=0)
    read_at = models.DateTimeField(null=True)
    rebuilt_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "figures_cursor"

    def __str__(self) -> str:
        return f"{self.name} {self.seq}"
