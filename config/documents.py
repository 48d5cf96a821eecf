"""Which of Django's storages the uploaded files are in."""

from importlib.util import find_spec
from typing import Any

from config.env import DocumentsBucket, Misconfigured


def storage(bucket: DocumentsBucket | None) -> dict[str, Any]:
    """Return the entry of STORAGES: a bucket where one is named, else DOCUMENTS_DIR. Raises Misconfigured."""
    if bucket is None:
        return {"BACKEND": "files.store.Folder"}
    if find_spec("storages") is None or find_spec("boto3") is None:
        raise Misconfigured("DOCUMENTS_STORAGE: needs the optional packages `s3` (requirements/s3.txt)")
    options = {
        "bucket_name": bucket.bucket,
        "endpoint_url": bucket.endpoint or None,
        "region_name": bucket.region or None,
        "access_key": bucket.access_key or None,
        "secret_key": bucket.secret_key or None,
        "location": bucket.prefix,
        "path_style": bucket.path_style,
    }
    return {"BACKEND": "files.bucket.Bucket", "OPTIONS": options}
