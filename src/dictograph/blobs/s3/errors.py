"""What a bucket's server refused, and why: its errors as an error of the storage that names the reason."""

from __future__ import annotations

import re
from typing import Any

from dictograph.errors import StorageOutage

#: By the server's code. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_REASONS = {
    "AccessDenied": "it denies this service the right to do that",
    "AllAccessDisabled": "it denies this service the right to do that",
    "AuthorizationHeaderMalformed": "the region in the settings is not the bucket's",
    "ExpiredToken": "the credentials have expired",
    "IllegalLocationConstraintException": "the region in the settings is not the bucket's",
    "InternalError": "it reports an error of its own",
    "InvalidAccessKeyId": "it does not know the access key",
    "InvalidBucketName": "it does not allow such a bucket name",
    "InvalidToken": "the credentials are not right",
    "NoCredentials": "there are no credentials for it",
    "NoSuchBucket": "its bucket does not exist",
    "PermanentRedirect": "the region in the settings is not the bucket's",
    "QuotaExceeded": "its quota is used up",
    "RequestTimeTooSkewed": "the clock of this machine, or of the server, is wrong",
    "RequestTimeout": "it did not get the request in time",
    "ServiceUnavailable": "it is overloaded",
    "SignatureDoesNotMatch": "the secret key is not right",
    "SlowDown": "it asks to slow down",
    "Timeout": "it has not answered in time",
    "Unreachable": "it cannot be reached",
    "XAdminUserNotFound": "it does not know the access key",
}

#: What a status says where the server gave no code.
_BY_STATUS = {400: "AuthorizationHeaderMalformed", 401: "AccessDenied", 403: "AccessDenied", 503: "ServiceUnavailable"}

_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_TIMED_OUT = re.compile(r"timed out|TimedOut")
_WORDS = re.compile(r"<Message>([^<]*)</Message>")


def outage(code: str, detail: str = "") -> StorageOutage:
    """Return the error for a code of the server; `detail` is for the operator."""
    reason = _REASONS.get(code, "it refuses the operation")
    return StorageOutage(f"The storage cannot be used: {reason} ({code}).", detail=detail)


def code_of(error: Exception) -> str:
    """Return the server's code of an error of boto3 or obstore; a number where the server gave only a status."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict) and (found := response.get("Error", {}).get("Code")):
        return str(found)
    text, name = str(error), type(error).__name__
    if found := _CODE.search(text) or _STATUS.search(text):
        return found[1]
    if "Credentials" in name:
        return "NoCredentials"
    if "Timeout" in name or _TIMED_OUT.search(text):
        return "Timeout"
    return "Unreachable"


def storage_error(error: Exception, where: str) -> StorageOutage:
    """Return the storage's error for one of boto3 or obstore. `where` is the bucket, for the operator."""
    code = code_of(error)
    if code.isdigit():
        code = _BY_STATUS.get(int(code), "InternalError" if code.startswith("5") else code)
    return outage(code, f"{where}: {_words(error)}")


def is_missing(error: Exception) -> bool:
    """Return whether an error says that an object, and not its bucket, does not exist."""
    return code_of(error) in ("404", "NoSuchKey", "NotFound", "NoSuchVersion")


def is_changed(error: Exception) -> bool:
    """Return whether an error says that an object is another version than was asked for."""
    return code_of(error) in ("412", "PreconditionFailed")


def _words(error: Exception) -> str:
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict) and (said := response.get("Error", {}).get("Message")):
        return str(said)
    if found := _WORDS.search(str(error)):
        return found[1]
    return " ".join(str(error).split("\n\n")[0].split())[:300]
