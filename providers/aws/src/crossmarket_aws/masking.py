"""Keeps landing tokens and temporary credentials out of botocore's debug log."""

from __future__ import annotations

import logging
import re

LOGGERS = ("botocore.auth", "botocore.endpoint", "botocore.hooks", "botocore.parsers")
"""The loggers of botocore that write requests, answers or headers at level DEBUG."""

_SECRET = re.compile(
    r"""(RegistrationToken["']?\s*[:=]\s*["']?
        |x-amz-security-token["']?\s*[:=]\s*b?["']?
        |<(?:SecretAccessKey|SessionToken|AccessKeyId)>
        )[^"'<\s,}]+
      |(\bCredential=)[^/\s]+""",
    re.IGNORECASE | re.VERBOSE,
)


class SecretsFilter(logging.Filter):
    """Masks secrets in records of requests and answers; other records pass untouched."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record in place and let it pass."""
        text = record.getMessage()
        masked = _SECRET.sub(lambda found: f"{found[1] or found[2]}**********", text)
        if masked != text:
            record.msg, record.args = masked, ()
        return True


_FILTER = SecretsFilter()


def mask_logs() -> None:
    """Put the filter on botocore's loggers. Doing it again changes nothing."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
