"""Secrets out of values that people will read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"

_SECRET_WORDS = frozenset(
    {"apikey", "auth", "authorization", "credential", "credentials", "key", "keys", "passwd", "password", "passphrase"}
    | {"pwd", "secret", "secrets", "token", "accesskey", "secretkey", "apitoken", "privatekey", "cookie"}
)
_HARMLESS = re.compile(
    r"(^|_)(begin|bos|end|eos|first|ice|image|last|mask|next|pad|prompt|replace|sep|special|start|stop|think|unk)_token$"
    r"|(^|_)token_(budget|count|id|ids|len|limit|num)$"
    r"|^(adv|answer|cache|column|data|dataset|dict|foreign|group|input|label|metric|output|primary|prompt|question|row|score"
    r"|sort|subset|text)_keys?$"
)
_SECRET_VALUES = re.compile(
    r"\bsk-[A-Za-z0-9_-]{8,}|\bLTAI[A-Za-z0-9]{12,}|\bAKIA[A-Z0-9]{12,}|\bhf_[A-Za-z0-9]{20,}|\bgh[pousr]_[A-Za-z0-9]{20,}"
    r"|\bxox[abpr]-[A-Za-z0-9-]{8,}|(?i:\bbearer\s+[A-Za-z0-9._~+/=-]{8,})"
)
_USERINFO = re.compile(r"(?P<scheme>\b[a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s@\"']+@")
_WEBHOOK = re.compile(r"(?P<front>https?://[^\s\"']*/(?:hook|services)/)[^\s\"']+")
_WEBHOOK_KEY = re.compile(r"(?i)(^|[._])(bot|hook|webhook)_?url$|(^|[._])webhook$")
_OPTION = re.compile(r"(?P<key>[\w.]+)=(?P<value>.+)", re.DOTALL)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def mask(values: Any) -> Any:
    """``values`` with every secret replaced by ``***``.

    Secret is what stands under a key that names one (``api_key``, ``access_token``, ``password``, ...) or a webhook
    (``lark_bot_url``), also in a text ``key=value``; and inside any text API keys by their known beginnings, bearer
    tokens, the user part of a URL, chat webhooks. Names of
    special tokens (``pad_token_id``, ``ice_token``) and limits (``max_tokens``) are none.
    """
    if isinstance(values, Mapping):
        return {key: _under(str(key), value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [mask(item) for item in values]
    return _mask_text(values) if isinstance(values, str) else values


def masked_text(values: Mapping[str, Any]) -> str:
    """Values as the text of a config, a line each, with every secret replaced."""
    return "".join(f"{key} = {value!r}\n" for key, value in mask(values).items())


def is_secret_key(key: str) -> bool:
    """Whether a key names a secret."""
    words = [word.lower() for word in _WORD.findall(key)]
    if not words or _HARMLESS.search("_".join(words)):
        return False
    return words[-1] in _SECRET_WORDS or _names(words)


def _names(words: list[str]) -> bool:
    """A secret word before a word that only says how it is held: ``OPENAI_API_KEY_1``, ``secret_value``."""
    holders = {"id", "value", "text", "string", "env", "file", "header"}
    return len(words) > 1 and (words[-1].isdigit() or words[-1] in holders) and words[-2] in _SECRET_WORDS


def _under(key: str, value: Any) -> Any:
    return MASK if _hides(key) and _could_be_secret(value) else mask(value)


def _hides(key: str) -> bool:
    """A webhook's address is as good as a password, though configs may read it from the environment."""
    return is_secret_key(key) or bool(_WEBHOOK_KEY.search(key))


def _could_be_secret(value: Any) -> bool:
    """Switches and nothing are no secrets; neither is OpenCompass's ``ENV``, which tells where the key is."""
    if isinstance(value, (list, tuple)):
        return any(_could_be_secret(item) for item in value)
    return value not in ("", "ENV", None) and not isinstance(value, bool)


def _mask_text(text: str) -> str:
    option = _OPTION.fullmatch(text)
    if option and _hides(option["key"].rpartition(".")[2]) and _could_be_secret(option["value"]):
        return f"{option['key']}={MASK}"
    text = _SECRET_VALUES.sub(MASK, text)
    text = _USERINFO.sub(rf"\g<scheme>{MASK}@", text)
    return _WEBHOOK.sub(rf"\g<front>{MASK}", text)
