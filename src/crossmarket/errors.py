"""The errors that crossmarket raises.

```
CrossmarketError                 everything below
├── ConfigurationError           a setting, credential or catalog line is missing or wrong
├── InvalidArgumentError         an argument of a call is wrong (also a ValueError)
├── PluginError                  a provider could not be loaded
│   └── UnknownMarketplaceError  no provider of that name is installed or allowed
├── MarketplaceError             a marketplace refused, or could not be asked
│   ├── AuthenticationError      it does not accept our credentials
│   ├── InvalidTokenError        the buyer's landing token is wrong, expired or foreign
│   ├── NotFoundError            it does not know the id
│   ├── ConflictError            the present state forbids it, or another account holds it
│   ├── RateLimitedError         too many calls; `retry_after` says when
│   └── UnavailableError         it failed or did not answer; the outcome may be unknown
├── SignatureError               a signal or a sealed landing is not authentic
├── UnsupportedError             the marketplace has no such power
├── ProviderDisabledError        the operator has switched it off
└── StoreError                   the database is missing, too old, too new or out of reach
    └── UnknownSubscriptionError no subscription of that id is stored
```

No message, attribute or `repr` of these holds a token, a secret or personal data.
"""

from __future__ import annotations

TRY_AGAIN = "The marketplace cannot be reached just now. Please try again in a few minutes."


class CrossmarketError(Exception):
    """The base of all errors of this library.

    Args:
        message: What is wrong, in one sentence, for the people who run the application.
        field: The setting, argument or wire field at fault, where there is one.
        remedy: What to do about it, for the same people: it may name settings.
        buyer_message: What to show to a buyer instead. Each class has a default; it names no setting, no account
            and no id.
    """

    default_buyer_message = "Something is not right on our side. Please try again later, or ask our support."

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        remedy: str | None = None,
        buyer_message: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.remedy = remedy
        self.buyer_message = buyer_message or self.default_buyer_message

    def __reduce__(self) -> tuple[object, ...]:
        """Let it be pickled, whatever its arguments were: task queues carry errors between processes."""
        return Exception.__new__, (type(self), *self.args), self.__dict__

    def __str__(self) -> str:
        """Return the message, followed by the remedy where there is one."""
        return f"{self.message} {self.remedy}" if self.remedy else self.message


class ConfigurationError(CrossmarketError):
    """A setting, credential or catalog line is missing or wrong; `field` names it."""


class InvalidArgumentError(CrossmarketError, ValueError):
    """An argument of a call is wrong; `field` names it."""


class PluginError(CrossmarketError):
    """A provider could not be loaded; the original error is its `__cause__`."""


class UnknownMarketplaceError(PluginError):
    """No provider of that name is installed, or the allow-list leaves it out."""


class MarketplaceError(CrossmarketError):
    """A marketplace refused a call, or could not be asked.

    Args:
        message: What is wrong, in one sentence.
        marketplace: The marketplace's name, such as `azure`.
        operation: The call, in the marketplace's own words, such as `ResolveCustomer`.
        code: The marketplace's own error code, verbatim.
        http_status: The HTTP status, where an answer came.
        request_id: The id that the marketplace's support asks for.
        retryable: Whether the same call may succeed later without a change.
        retry_after: Seconds that the marketplace asked us to wait.
        field: The argument or setting at fault, where there is one.
        remedy: What to do about it, for the people who run the application.
        buyer_message: What to show to a buyer instead.
    """

    default_retryable = False

    def __init__(
        self,
        message: str,
        *,
        marketplace: str,
        operation: str,
        code: str | None = None,
        http_status: int | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        field: str | None = None,
        remedy: str | None = None,
        buyer_message: str | None = None,
    ) -> None:
        super().__init__(message, field=field, remedy=remedy, buyer_message=buyer_message)
        self.marketplace = marketplace
        self.operation = operation
        self.code = code
        self.http_status = http_status
        self.request_id = request_id
        self.retryable = self.default_retryable if retryable is None else retryable
        self.retry_after = retry_after

    def __str__(self) -> str:
        """Return message, remedy, and what support will ask for, in one line."""
        known = {
            "code": self.code,
            "HTTP": self.http_status,
            "request": self.request_id,
        }
        facts = ", ".join(f"{name} {value}" for name, value in known.items() if value is not None)
        origin = f"{self.marketplace} {self.operation}"
        return f"{super().__str__()} [{origin}{': ' + facts if facts else ''}]"


class AuthenticationError(MarketplaceError):
    """The marketplace does not accept our credentials; the remedy names the setting to look at."""


class InvalidTokenError(MarketplaceError):
    """The landing token is empty, malformed, expired, used, or of another product or seller."""

    default_buyer_message = (
        "This link from the marketplace is not valid, or not any more. "
        "Please open your subscription on the marketplace and follow its link to us again."
    )


class NotFoundError(MarketplaceError):
    """The marketplace does not know the id. It never means that a subscription has ended."""


class ConflictError(MarketplaceError):
    """The call stands against the present state, such as a subscription that another account holds."""

    default_buyer_message = (
        "This subscription cannot be set up for this account. "
        "Please sign in with the account that it belongs to, or ask our support."
    )


class RateLimitedError(MarketplaceError):
    """Too many calls; wait `retry_after` seconds where it is given."""

    default_retryable = True
    default_buyer_message = TRY_AGAIN


class UnavailableError(MarketplaceError):
    """The marketplace failed or did not answer in time; the outcome of a write may be unknown."""

    default_retryable = True
    default_buyer_message = TRY_AGAIN


class SignatureError(CrossmarketError):
    """A signal or a sealed landing is forged, altered or too old. It has changed nothing."""

    default_buyer_message = "This page has expired. Please follow the link from the marketplace again."


class UnsupportedError(CrossmarketError):
    """The marketplace, or this generation of its API, has no such power; see `Market.capabilities()`."""


class ProviderDisabledError(CrossmarketError):
    """The operator has switched this marketplace, or this power of it, off."""


class StoreError(CrossmarketError):
    """The database is missing, older or newer than this library, or out of reach."""


class UnknownSubscriptionError(StoreError):
    """No subscription of that id is stored."""
