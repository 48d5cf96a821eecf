"""The enrolment services: everything that can be asked of this package. Its writers are the only ones.

Each writer takes `also_write(result)` and calls it as the last act inside its own transaction, for refusals too, so
that the act, its journal line, the caller's answer and the caller's "done" are one commit (decision 23).
"""

from enrollment.admission import auth_required, authority_refusal, refused_agency
from enrollment.asking_codes import check_code, send_code
from enrollment.assessing import assess_selected
from enrollment.assisted_orders import authority_for_order, authority_for_select
from enrollment.assisting import at_the_mandates_utility
from enrollment.catalog import search, select
from enrollment.confirming import confirm
from enrollment.consenting import grant_consents, withdraw_consent
from enrollment.ending import cancel, end, resume, status, status_of_all, suspend
from enrollment.fewer_meters import remove_meters
from enrollment.more_meters import add_meters
from enrollment.preparing import await_code, prepare
from enrollment.repairing import repair
from enrollment.support import note_ratings, support_contact
from enrollment.trading import telling_trade

__all__ = [
    "add_meters",
    "assess_selected",
    "at_the_mandates_utility",
    "auth_required",
    "authority_for_order",
    "authority_for_select",
    "authority_refusal",
    "await_code",
    "cancel",
    "check_code",
    "confirm",
    "end",
    "grant_consents",
    "note_ratings",
    "prepare",
    "refused_agency",
    "remove_meters",
    "repair",
    "resume",
    "search",
    "select",
    "send_code",
    "status",
    "status_of_all",
    "support_contact",
    "suspend",
    "telling_trade",
    "withdraw_consent",
]
