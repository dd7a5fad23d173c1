"""How an object store or a hub is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Keys:
    """What an Airflow connection says; what is empty is looked for in the environment.

    :param endpoint: URL of the service.
    :param key: id of the access key.
    :param secret: of the access key; the token of a hub.
    :param options: of the client's configuration, in botocore's words.
    """

    endpoint: str = ""
    key: str = ""
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    region: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_connection(
        cls, *, host: str | None, login: str | None, password: str | None, extra: Mapping[str, Any]
    ) -> Keys:
        """The fields of a connection of type ``aws``, as apache-airflow-providers-amazon reads them.

        :param extra: ``endpoint_url``, ``region_name``, ``aws_session_token``, ``config_kwargs``.
        """
        return cls(
            endpoint=str(extra.get("endpoint_url") or (host if host and "://" in host else "") or ""),
            key=login or str(extra.get("aws_access_key_id") or ""),
            secret=password or str(extra.get("aws_secret_access_key") or ""),
            token=str(extra.get("aws_session_token") or ""),
            region=str(extra.get("region_name") or ""),
            options=dict(extra.get("config_kwargs") or {}),
        )
