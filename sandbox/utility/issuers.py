"""The issuers of this process: the utility itself and, at utility A, one that judges eligibility for programs."""

import json
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from sandbox import issuing
from sandbox.issuing import LIST_SIZE, Algorithm, Key

LIST_VALIDITY = timedelta(minutes=10)
PURPOSES = ("revocation", "suspension")


class UnknownCredential(Exception):
    """This issuer has not issued it."""


class Issuer:
    """Signs credentials, publishes its DID document and status lists, and keeps all of it in `folder`.

    Keys are PKCS #8 in a file of mode 0600; what was issued and revoked is appended to a log and read at the start.
    """

    def __init__(self, base: str, folder: Path, *, clock: Callable[[], datetime]) -> None:
        self.base = base
        self.did = issuing.did_web(base)
        self._clock = clock
        self._folder = folder
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._keys = _kept_keys(folder / "keys.json")
        self._other_keys: dict[Algorithm, Key] | None = None
        self._rotated = False
        self._places: dict[str, tuple[int, int]] = {}
        self._flagged: dict[tuple[str, int], set[int]] = {}
        self._signed_lists: dict[tuple[str, int], tuple[str, datetime]] = {}
        self._read_log()
        self._log = (folder / "issued.jsonl").open("a", buffering=1)

    def issue(
        self, type_: str, subject: str, claims: Mapping[str, Any], *, alg: Algorithm, days: int
    ) -> dict[str, Any]:
        """Sign a credential and answer as contract.md says: id, type, format, data, address to check it at."""
        now = self._clock()
        with self._lock:
            serial = len(self._places)
            number, index = serial // LIST_SIZE + 1, self._shuffled(serial % LIST_SIZE)
            uuid = str(uuid4())
            self._places[uuid] = (number, index)
            self._write({"issued": uuid, "type": type_, "list": number, "index": index})
        entries = [issuing.status_entry(self.list_url(purpose, number), index, purpose) for purpose in PURPOSES]
        id_ = f"{self.base}/credentials/{uuid}"
        data = issuing.sign_vc(
            self._signing_keys()[alg],
            issuer=self.did,
            subject=subject,
            type=type_,
            claims=claims,
            id=id_,
            now=now,
            expires_at=now + timedelta(days=days),
            status=entries,
        )
        return {
            "credentialId": id_,
            "type": type_,
            "format": "VC-JWT",
            "credentialData": data,
            "verificationUrl": f"{self.base}/verify/{uuid}",
        }

    def flag(self, credential_id: str, purpose: str, is_set: bool = True) -> None:
        """Revoke, suspend or resume. Raises UnknownCredential."""
        uuid = credential_id.rstrip("/").rpartition("/")[2]
        with self._lock:
            if uuid not in self._places:
                raise UnknownCredential(credential_id)
            number, index = self._places[uuid]
            self._set(purpose, number, index, is_set)
            self._write({"flag": purpose, "list": number, "index": index, "set": is_set})

    def status(self, uuid: str) -> dict[str, bool]:
        """Raises UnknownCredential."""
        if uuid not in self._places:
            raise UnknownCredential(uuid)
        number, index = self._places[uuid]
        return {purpose: index in self._flagged.get((purpose, number), ()) for purpose in PURPOSES}

    def list_url(self, purpose: str, number: int) -> str:
        return f"{self.base}/status/{number}" if purpose == "revocation" else f"{self.base}/status/suspension/{number}"

    def status_list(self, purpose: str, number: int) -> str | None:
        """The signed list, or None when there is none of this number."""
        now = self._clock()
        with self._lock:
            if not 1 <= number <= len(self._places) // LIST_SIZE + 1:
                return None
            known = self._signed_lists.get((purpose, number))
            if known is not None and known[1] > now:
                return known[0]
            token = issuing.sign_status_list(
                self._signing_keys()["ES256"],
                issuer=self.did,
                url=self.list_url(purpose, number),
                set_indexes=self._flagged.get((purpose, number), ()),
                now=now,
                valid_until=now + LIST_VALIDITY,
                purpose=purpose,
            )
            self._signed_lists[purpose, number] = token, now + LIST_VALIDITY / 2
            return token

    def did_document(self) -> dict[str, Any]:
        return issuing.did_document(self.did, list(self._signing_keys().values()))

    def rotate(self, rotated: bool) -> None:
        """Sign with other keys that alone stand in the DID document, or go back to the first ones."""
        with self._lock:
            if rotated and self._other_keys is None:
                self._other_keys = {alg: issuing.make_key(alg) for alg in self._keys}
            self._rotated = rotated
            self._signed_lists.clear()

    def _signing_keys(self) -> Mapping[Algorithm, Key]:
        return self._other_keys if self._rotated and self._other_keys else self._keys

    def _shuffled(self, serial: int) -> int:
        # An odd factor permutes the places, so that neighbours in time are not neighbours in the list.
        return (serial * 48_271 + 11) % LIST_SIZE

    def _set(self, purpose: str, number: int, index: int, is_set: bool) -> None:
        flagged = self._flagged.setdefault((purpose, number), set())
        (flagged.add if is_set else flagged.discard)(index)
        self._signed_lists.pop((purpose, number), None)

    def _write(self, line: Mapping[str, Any]) -> None:
        self._log.write(json.dumps(line, separators=(",", ":")) + "\n")

    def _read_log(self) -> None:
        path = self._folder / "issued.jsonl"
        for text in path.read_text().splitlines() if path.exists() else ():
            try:
                line = json.loads(text)
            except ValueError:
                continue  # the last line of a process that was killed
            if "issued" in line:
                self._places[line["issued"]] = (line["list"], line["index"])
            else:
                self._set(line["flag"], line["list"], line["index"], line["set"])


def _kept_keys(path: Path) -> dict[Algorithm, Key]:
    algorithms: tuple[Algorithm, ...] = ("ES256", "RS256", "EdDSA")
    if not path.exists():
        keys = {alg: issuing.make_key(alg) for alg in algorithms}
        write_secret(path, json.dumps({alg: key.pem() for alg, key in keys.items()}))
        return keys
    kept = json.loads(path.read_text())
    return {alg: issuing.read_key(alg, kept[alg]) for alg in algorithms}


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    draft.replace(path)
