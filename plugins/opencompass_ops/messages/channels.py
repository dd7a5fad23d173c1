"""Where messages go, and which of them somebody wants there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from opencompass_ops.errors import ConfigError
from opencompass_ops.messages import lark, slack
from opencompass_ops.messages.digest import Digest, Kind
from opencompass_ops.messages.words import ENGLISH, LANGUAGES

LARK_CONNECTION = "opencompass_lark"
SLACK_CONNECTION = "opencompass_slack"
CONFIGURED = "lark_bot_url"
"""The channel that a config names, with OpenCompass's reports."""

_LARK_HOST = "open.feishu.cn"
_LARK_PATH = "/open-apis/bot/v2/hook/"
_CARD, _REPORTS = "card", "opencompass"


@dataclass(frozen=True)
class Channel:
    """One chat.

    :param name: what people know it by: the connection's id, or ``lark_bot_url``.
    :param service: ``lark`` or ``slack``.
    :param url: where messages are posted; as good as a password.
    :param secret: signs them; "" where nothing is signed.
    :param language: of the messages, one of :data:`words.LANGUAGES`.
    :param events: what it is told of every run, beside what runs ask for; see :meth:`wants`.
    :param reports: OpenCompass's status reports in place of cards.
    :param proxy: through which the service is reached, "" for the environment's.
    """

    name: str
    service: str
    url: str = field(repr=False)
    secret: str = field(default="", repr=False)
    language: str = ENGLISH
    events: frozenset[Kind] = frozenset()
    reports: bool = False
    proxy: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be in no log: the address, its last part alone, and the signing secret."""
        token = urlsplit(self.url).path.rstrip("/").rpartition("/")[2]
        return tuple(secret for secret in (self.url, token, self.secret) if len(secret) > 3)

    def wants(self, digest: Digest, *, asked: bool, scheduled: bool) -> bool:
        """Whether this message belongs here.

        :param asked: whoever started the run wants messages (``-l``).
        :param scheduled: nobody started it; then what needs somebody is always told.
        """
        return asked or bool(self.events & digest.kinds) or (scheduled and digest.needs_somebody)


def lark_channel(name: str, *, host: str | None, password: str | None, extra: Mapping[str, Any]) -> Channel:
    """The channel of a connection of the type ``lark``.

    :param host: of the service, ``open.feishu.cn`` unless said (``open.larksuite.com`` outside China); a whole address
        up to the token is taken too.
    :param password: the webhook's address, or its last part.
    :param extra: ``secret``, ``language``, ``events``, ``format`` (``card`` or ``opencompass``), ``proxy``.
    :raises ConfigError: a value is missing or wrong; the message holds no secret.
    """
    token = (password or "").strip()
    if not token:
        raise ConfigError(f"connection {name!r} has no password; fill in the webhook's address, or its last part")
    shape = _word(name, extra, "format", _CARD, (_CARD, _REPORTS))
    url = token if "://" in token else _base(host) + token
    return Channel(
        name=name,
        service=lark.NAME,
        url=_checked(name, url),
        secret=_text(name, extra, "secret"),
        reports=shape == _REPORTS,
        **_common(name, extra),
    )


def slack_channel(name: str, url: str, extra: Mapping[str, Any], proxy: str = "") -> Channel:
    """The channel of a connection of the Slack provider's type ``slackwebhook``.

    :param url: of the webhook.
    :param extra: ``language`` and ``events``, beside what the provider reads.
    :raises ConfigError: a value is wrong; the message holds no secret.
    """
    values = _common(name, extra)
    return Channel(name=name, service=slack.NAME, url=_checked(name, url), **{**values, "proxy": proxy})


def slack_url(name: str, *, schema: str | None, host: str | None, password: str | None) -> str:
    """The webhook's address of such a connection, put together as the provider does it.

    :raises ConfigError: there is no token.
    """
    token = (password or "").strip()
    if not token:
        raise ConfigError(f"connection {name!r} has no password; fill in the webhook's token or address")
    if "://" in token:
        return token
    base = host if host and "://" in host else f"{schema or 'https'}://{host or 'hooks.slack.com/services'}"
    return f"{base.rstrip('/')}/{token.lstrip('/')}"


def configured_channel(url: str) -> Channel:
    """The channel of a config's ``lark_bot_url``.

    :raises ConfigError: it is no address.
    """
    return Channel(name=CONFIGURED, service=lark.NAME, url=_checked(CONFIGURED, url), reports=True)


def _base(host: str | None) -> str:
    base = (host or _LARK_HOST).strip().rstrip("/")
    base = base if "://" in base else f"https://{base}"
    return f"{base}/" if urlsplit(base).path else base + _LARK_PATH


def _checked(name: str, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{name} is no address of a webhook; it begins with https://")
    return url


def _common(name: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "language": _word(name, extra, "language", ENGLISH, LANGUAGES),
        "events": _events(name, extra),
        "proxy": _text(name, extra, "proxy"),
    }


def _events(name: str, extra: Mapping[str, Any]) -> frozenset[Kind]:
    known = [kind.value for kind in Kind]
    words = _text(name, extra, "events").replace(",", " ").split()
    if strange := [word for word in words if word not in known]:
        raise ConfigError(f"connection {name!r}: events {strange[0]!r} is none of {', '.join(known)}")
    return frozenset(Kind(word) for word in words)


def _word(name: str, extra: Mapping[str, Any], key: str, default: str, known: tuple[str, ...]) -> str:
    word = _text(name, extra, key) or default
    if word not in known:
        raise ConfigError(f"connection {name!r}: {key} {word!r} is none of {', '.join(known)}")
    return word


def _text(name: str, extra: Mapping[str, Any], key: str) -> str:
    value = extra.get(key)
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"connection {name!r}: extra's {key} must be a text, not a {type(value).__name__}")
    return (value or "").strip()
