"""Settings: arguments before the environment (`CROSSMARKET_*`) before `crossmarket.toml`."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from crossmarket.access import AccessPolicy
from crossmarket.activation import ClaimPolicy
from crossmarket.errors import ConfigurationError
from crossmarket.options import setting
from crossmarket.validation import configuration_error, near_miss

PREFIX = "CROSSMARKET_"
DEFAULT_FILE = "crossmarket.toml"
NOT_OURS = ("CROSSMARKET_CONFIG", "CROSSMARKET_CONTRACTS", "CROSSMARKET_LIVE", "CROSSMARKET_TEST_")
"""Environment variables with our prefix that are no settings of a market."""


class Settings(BaseSettings):
    """All settings. Each is `CROSSMARKET_<NAME>` in the environment and `<name>` in `crossmarket.toml`.

    Options of a provider are `CROSSMARKET_<PROVIDER>__<OPTION>`, or a table `[provider]` of the file.

    Attributes:
        database_url: Where the state is kept: `sqlite:///file.db` or `postgresql://user@host/name`.
        database_upgrade: Whether `Market.open()` makes or upgrades the tables: true, false, or unset: on SQLite
            yes, on PostgreSQL no.
        providers: Which providers may be used, separated by commas; unset: all that are installed.
        catalog: Path of the catalog file; unset: `catalog.toml`, if there is one.
        secret_key: What landings are sealed with; several, separated by commas, for rotation (the first one
            seals). Unset: a key that is made once and kept in the database.
        landing_seconds: How long a sealed landing can be opened.
        claim_policy: What a second account gets that claims a held subscription.
        stale_grace_seconds: How long the last snapshot is good while the marketplace cannot be read.
        stale_policy: What applies afterwards: `deny` or `allow`.
        suspended_access: Whether a subscription suspended for want of payment keeps its access.
        options: The options of each provider, by its name.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    database_url: SecretStr = SecretStr("sqlite:///crossmarket.db")
    database_upgrade: bool | None = None
    providers: Annotated[tuple[str, ...] | None, NoDecode] = None
    catalog: Path | None = None
    secret_key: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    landing_seconds: int = Field(default=1800, ge=60, le=86_400)
    claim_policy: ClaimPolicy = "refuse"
    stale_grace_seconds: int = Field(default=259_200, ge=0)
    stale_policy: Literal["deny", "allow"] = "deny"
    suspended_access: bool = False
    options: Annotated[dict[str, dict[str, Any]], NoDecode] = Field(default_factory=dict, repr=False)

    @field_validator("providers", "secret_key", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @classmethod
    def settings_customise_sources(  # noqa: D102 - documented by pydantic-settings
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - part of the signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - part of the signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _OptionsFromEnvironment(settings_cls), env_settings, _File(settings_cls)

    @property
    def access_policy(self) -> AccessPolicy:
        """The part of the settings that access is decided by."""
        return AccessPolicy(
            stale_grace=timedelta(seconds=self.stale_grace_seconds),
            stale_policy=self.stale_policy,
            suspended_access=self.suspended_access,
        )


class _Given(Settings):
    """Settings from arguments alone."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - part of the signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - part of the signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - part of the signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - part of the signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def load(*, only_arguments: bool = False, **arguments: Any) -> Settings:
    """Gather the settings.

    Args:
        only_arguments: Leave the environment and the file aside.
        arguments: Settings by name, which go before the environment and the file; a mapping under a name that
            is no setting's holds the options of the provider of that name.

    Raises:
        ConfigurationError: One is unknown or wrong; the message names it and shows no value.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    own = {name: given.pop(name) for name in list(given) if name in Settings.model_fields}
    tables = {normal_name(name): table for name, table in own.get("options", {}).items()}
    for name, value in given.items():
        if not isinstance(value, Mapping):
            meant = near_miss(name, Settings.model_fields)
            raise ConfigurationError(
                f"There is no setting '{name}'.",
                field=name,
                remedy=f"Did you mean '{meant}'?" if meant else "The options of a provider are given as a mapping.",
            )
        tables[normal_name(name)] = {**tables.get(normal_name(name), {}), **value}
    if tables:
        own["options"] = tables
    try:
        return _Given(**own) if only_arguments else Settings(**own)
    except ValidationError as error:
        raise configuration_error(error, Settings, source="the settings", name_of=partial(_written, own)) from None


def _written(arguments: Mapping[str, Any], place: str) -> str:
    """Return a setting as the user has written it: an argument, a variable, or a key of the file."""
    name = re.split(r"[.\[]", place, maxsplit=1)[0]
    if name in arguments:
        return f"the argument '{place}'"
    if f"{PREFIX}{name.upper()}" in os.environ:
        return f"{PREFIX}{place.upper()}"
    return f"'{place}' in {_path()}"


def _path() -> Path:
    return Path(os.environ.get("CROSSMARKET_CONFIG") or DEFAULT_FILE)


def unknown_variables(providers: tuple[str, ...]) -> dict[str, str | None]:
    """Return the variables of the environment that look like ours and are not, with what was probably meant."""
    known = {name for name in Settings.model_fields if name != "options"}
    tables = {normal_name(name) for name in providers}
    unknown: dict[str, str | None] = {}
    for name in sorted(os.environ):
        rest = normal_name(name.removeprefix(PREFIX))
        table, separator, _ = rest.partition("__")
        if not name.startswith(PREFIX) or name.startswith(NOT_OURS):
            continue
        if (not separator and rest in known) or (separator and table in tables):
            continue
        meant = _meant_variable(rest, known, tables)
        unknown[name] = f"{PREFIX}{meant.upper()}" if meant else None
    return unknown


def _meant_variable(rest: str, known: set[str], tables: set[str]) -> str | None:
    table, separator, option = rest.partition("__")
    if separator:
        meant = near_miss(table, tables)
        return f"{meant}__{option}" if meant else None
    for name in tables:
        if rest.startswith(f"{name}_"):  # one underscore where two are needed
            return f"{name}__{rest.removeprefix(f'{name}_')}"
    return near_miss(rest, known)


def as_environment(provider: str, options: Mapping[str, Any]) -> dict[str, str]:
    """Return a provider's options as variables of the environment."""
    return {
        setting(provider, option): (",".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
        for option, value in options.items()
    }


def normal_name(provider: str) -> str:
    """Return the name under which a provider's options are kept: `ACME-CLOUD` and `acme_cloud` are one."""
    return provider.lower().replace("-", "_")


class _OptionsFromEnvironment(PydanticBaseSettingsSource):
    """`CROSSMARKET_<PROVIDER>__<OPTION>`, for providers of any name."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # the whole source is read at once, by __call__

    def __call__(self) -> dict[str, Any]:
        options: dict[str, dict[str, str]] = {}
        for name, value in os.environ.items():
            table, separator, option = name.removeprefix(PREFIX).partition("__")
            if name.startswith(PREFIX) and separator and not name.startswith(NOT_OURS):
                options.setdefault(normal_name(table), {})[option.lower()] = value
        return {"options": options} if options else {}


class _File(PydanticBaseSettingsSource):
    """`crossmarket.toml` of the working directory, or the file that `CROSSMARKET_CONFIG` names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # the whole source is read at once, by __call__

    def __call__(self) -> dict[str, Any]:
        named = os.environ.get("CROSSMARKET_CONFIG")
        path = _path()
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            if not named:
                return {}
            raise ConfigurationError(
                f"The settings file {path} is not there.", field="CROSSMARKET_CONFIG", remedy="Correct the path."
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"The settings file {path} cannot be read: {error.strerror}.", field="CROSSMARKET_CONFIG"
            ) from error
        except ValueError as error:
            raise ConfigurationError(
                f"The settings file {path} is not valid TOML: {error}.", remedy="Correct that line."
            ) from error
        tables = {name: content.pop(name) for name in list(content) if isinstance(content[name], dict)}
        if tables:
            content["options"] = {normal_name(name): table for name, table in tables.items()}
        return content
