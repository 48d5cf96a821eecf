"""Uploaded files in object storage that speaks S3: moto's server, a process of its own, beside the real client."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from config import documents, env
from files.store import Shelf, StoreUnavailable
from sandbox import supervisor
from sandbox.postgres import free_port

SHELF = Shelf("tests.bytes")
KEYS = {"access_key": "AKIA-TEST", "secret_key": "not-a-secret"}


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the store."""
    port = free_port()
    folder = tmp_path_factory.mktemp("moto")
    child = supervisor.start(
        "moto",
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        environment={"PATH": "/usr/bin:/bin"},
        folder=folder,
        logs=folder,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        supervisor.wait_until_answers(child, f"{address}/moto-api/data.json")
        yield address
    finally:
        child.kill()


def objects(address: str) -> dict[str, bytes]:
    """What lies in the bucket, by name."""
    with closing(client(address)) as s3:
        names = [each["Key"] for each in s3.list_objects_v2(Bucket="documents").get("Contents", [])]
        return {name: s3.get_object(Bucket="documents", Key=name)["Body"].read() for name in names}


def client(address: str) -> Any:
    named = {"aws_access_key_id": KEYS["access_key"], "aws_secret_access_key": KEYS["secret_key"]}
    return boto3.client("s3", endpoint_url=address, region_name="us-east-1", **named)


def use(settings: Any, address: str) -> None:
    bucket = env.DocumentsBucket(
        bucket="documents", endpoint=address, region="us-east-1", prefix="files", path_style=True, **KEYS
    )
    settings.STORAGES = {**settings.STORAGES, "documents": documents.storage(bucket)}


@pytest.fixture
def bucket(moto: str, settings: Any) -> str:
    with closing(client(moto)) as s3:
        s3.create_bucket(Bucket="documents")
    use(settings, moto)
    return moto


def test_a_bucket_keeps_gives_and_forgets_sealed_bytes(bucket: str) -> None:
    content = b"a certificate for 10 kW" * 100_000
    key = SHELF.keep(content)
    ((name, lies),) = objects(bucket).items()
    assert name == f"files/{key[:2]}/{key}" and b"certificate" not in lies
    assert SHELF.read(key) == content

    assert SHELF.kept(key[:2]) == [key] and SHELF.kept("zz") == []
    assert not SHELF.is_older(key, timedelta(days=1)) and SHELF.is_older(key, timedelta(seconds=-5))
    for _ in range(2):
        SHELF.forget(key)
    assert objects(bucket) == {}
    with pytest.raises(KeyError):
        SHELF.read(key)


def test_a_bucket_that_is_not_there_is_said_to_be_unavailable(bucket: str, settings: Any) -> None:
    settings.STORAGES["documents"]["OPTIONS"]["bucket_name"] = "another"
    settings.STORAGES = {**settings.STORAGES}
    with pytest.raises(StoreUnavailable):
        SHELF.keep(b"x")


def test_a_store_that_does_not_answer_is_given_up_in_time(settings: Any) -> None:
    use(settings, f"http://127.0.0.1:{free_port()}")
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="EndpointConnectionError"):
        SHELF.keep(b"x")
    assert time.monotonic() - started < 15


def test_the_setting_is_json_or_the_path_of_a_file_and_its_secret_is_never_shown(tmp_path: Path) -> None:
    needed = {"DEPLOYMENT": "sandbox", "SECRET_KEY": "x" * 32, "DATABASE_URL": "postgresql://u@h/d"}
    assert documents.storage(None)["BACKEND"] == "files.store.Folder"
    file = tmp_path / "bucket.json"
    file.write_text('{"bucket": "documents", "secret_key": "hush-hush", "more": 1}')
    with pytest.raises(env.Misconfigured) as wrong:
        env.load({**needed, "DOCUMENTS_STORAGE": f"@{file}"})
    assert "DOCUMENTS_STORAGE: more" in str(wrong.value) and "hush" not in str(wrong.value)
