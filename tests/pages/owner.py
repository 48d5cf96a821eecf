"""A program owner that is nobody of ours: it answers what our portal asks as a test tells it to, or not at all."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from sandbox import generated
from tests.bap import Bap, Callback, eventually
from tests.stack import Stack

Json = dict[str, Any]
Says = Callable[[Json], Json | None]
_numbers = itertools.count(1)


def state(name: str, **more: Any) -> Json:
    """An order of a fulfilment's state, as an answer to an init has it."""
    return {"beckn:fulfillments": [{"beckn:state": {"beckn:descriptor": {"schema:name": name}}}], **more}


READY = state("PENDING_CONFIRM")


def refused(code: str, message: str, *, status: str = "REJECTED", **details: Any) -> Json:
    """An order that its owner refuses."""
    return {"beckn:status": status, "error": {"code": code, "message": message, "details": details}}


class ProgramOwner(Bap):
    """A BPP with one program. `says[action]` makes the order of its answer; None is silence."""

    def __init__(self, stack: Stack) -> None:
        number = next(_numbers)
        super().__init__(f"owner-{number}.test.example", offset=stack.clock_offset)
        self.stack, self.program = stack, f"Program of owner {number}"
        self.says: dict[str, Says] = {}
        self.start()
        stack.manage_all(
            [
                *("participant", "add", "--subscriber-id", self.subscriber_id, "--key-id", self.key_id),
                *("--public-key", self.public_key, "--url", self.uri, "--type", "BPP"),
            ],
            ["catalogue", "refresh"],
        )
        eventually(lambda: bool(self.slug))

    @property
    def slug(self) -> str:
        """The program's name in the portal's addresses; "" before the portal has copied it."""
        query = "SELECT slug FROM portal_programs WHERE item->>'beckn:id' = %s AND gone_at IS NULL"
        found = self.stack.sql(query, self._item["beckn:id"])
        return str(found[0][0]) if found else ""

    def leave(self) -> None:
        """Be gone from the network and from the portal's pages, as if it had never been there."""
        self.stack.sql("UPDATE portal_programs SET gone_at = fetched_at WHERE slug = %s", self.slug)
        self.stack.sql(
            "UPDATE beckn_participants SET suspended_at = created_at WHERE subscriber_id = %s", self.subscriber_id
        )
        self.stack.sql(  # what we still owed it is owed to nobody: the stack is idle again for the tests to come
            "UPDATE beckn_outbox SET state = 'STUCK' WHERE state = 'WAITING' AND participant_id ="
            " (SELECT id FROM beckn_participants WHERE subscriber_id = %s)",
            self.subscriber_id,
        )
        self.stop()

    def tells(self, action: str, order_id: str, order: Json, *, asked: Mapping[str, Any]) -> None:
        """Answer a request, now or later."""
        self._post(action, {"order": {"beckn:id": order_id, **order}}, asked)

    @property
    def _item(self) -> Json:
        return {
            "beckn:id": f"program-{self.subscriber_id}",
            "beckn:descriptor": {"schema:name": self.program, "beckn:shortDesc": "For tests."},
            "beckn:provider": {"beckn:id": "owner"},
            "beckn:itemAttributes": {"kind": "DEMAND_FLEX", "utilities": [generated.UTILITY_A]},
        }

    def _take(self, callback: Callback) -> tuple[int, Mapping[str, Any]]:
        answer = super()._take(callback)
        if answer[0] == 200:
            threading.Thread(target=self._answer, args=(callback.body,), daemon=True).start()
        return answer

    def _answer(self, body: Json) -> None:
        action, context = str(body["context"]["action"]), body["context"]
        if action == "search":
            self._post("on_search", {"catalogs": [{"beckn:items": [self._item]}]}, context)
            return
        order = self.says.get(action, _by_itself)(body)
        if order is not None:
            self.tells(f"on_{action}", str(body["message"]["order"]["beckn:id"]), order, asked=context)

    def _post(self, action: str, message: Json, asked: Mapping[str, Any]) -> None:
        kept = ("transaction_id", "message_id", "bap_id", "bap_uri", "domain", "version")
        ours = {"bpp_id": self.subscriber_id, "bpp_uri": self.uri, **{name: asked[name] for name in kept}}
        raw = json.dumps({"context": self.context(action, **ours), "message": message}).encode()
        self.post(f"{asked['bap_uri']}/{action}", raw)


def _by_itself(body: Json) -> Json | None:
    return {"select": {}, "init": READY, "cancel": {"beckn:status": "CANCELLED"}}.get(body["context"]["action"])
