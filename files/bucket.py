"""The storage of documents in a bucket that speaks S3 (`DOCUMENTS_STORAGE`); needs the optional packages `s3`.

What lies there is encrypted by us, under names that say nothing; the bucket is private, and nobody is given an address.
"""

from __future__ import annotations

from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from storages.backends.s3 import S3Storage

CONNECT_SECONDS, READ_SECONDS, TRIES = 3, 20, 2


class Bucket(S3Storage):
    """django-storages' S3, that gives up in time and asks of a store only what they all can."""

    def __init__(self, *, path_style: bool = False, **options: Any) -> None:
        super().__init__(
            client_config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                retries={"total_max_attempts": TRIES, "mode": "standard"},
                signature_version="s3v4",
                s3={"addressing_style": "path" if path_style else "auto"},
                # Newer clients add checksums that stores other than Amazon's refuse; ours are sealed with AES-GCM.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
            # Threads of their own for files of ten megabytes would cost more than they bring.
            transfer_config=TransferConfig(use_threads=False),
            # Names are random: asking first whether one is there already would cost a call each.
            file_overwrite=True,
            default_acl=None,
            max_memory_size=16 << 20,
            **options,
        )
