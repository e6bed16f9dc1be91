"""The settings of a bucket: how `DICTOGRAPH_STORAGE_URL=s3://…` is reached."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from dictograph.settings.values import Seconds

_ENDPOINT = r"^(https?://[^\s/?#@]+/?)?$"


class BucketSettings(BaseModel):
    """The settings of a bucket."""

    # --- a bucket as storage
    s3_endpoint: str = Field(
        "",
        pattern=_ENDPOINT,
        description="The address of a server that speaks S3, as in `https://s3.example.org`; empty: AWS.",
    )
    s3_public_endpoint: str = Field(
        "",
        pattern=_ENDPOINT,
        description="The server's address for clients that upload into the bucket, if they reach it by another one.",
    )
    s3_region: str = Field(
        "",
        description="The bucket's region; empty: that of the usual chain (`AWS_REGION`, a profile), else `us-east-1`.",
    )
    s3_access_key: str = Field(
        "",
        description="The access key of the bucket; empty: credentials come from the usual chain (environment, profile, "
        "role).",
    )
    s3_secret_key: str = Field("", description="The secret key that belongs to the access key.")
    s3_style: Literal["auto", "path", "virtual"] = Field(
        "auto",
        description="Where the bucket's name stands in addresses: in the `path`, or before the host (`virtual`); "
        "`auto`: in the path with `DICTOGRAPH_S3_ENDPOINT`, else before the host.",
    )
    s3_timeout: Seconds = Field(
        25,
        gt=0,
        le=300,
        description="The most time for one request to the bucket: a part of an upload has 8 MiB, a read 4 MiB.",
    )
