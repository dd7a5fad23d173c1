"""What vouches for a file: manifests of predictions and of results, whoever computed them."""

from __future__ import annotations

import posixpath
from typing import Any

from inference.claim import now
from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.records import Manifest
from opencompass_ops.contract.spec import Part, ShardSpec


def of_part(spec: ShardSpec, part: Part, token: str, body: bytes, details: dict[str, Any]) -> Manifest:
    """The manifest of one part's prediction file.

    :param token: of the job that answered it.
    :param body: the file's content.
    """
    return Manifest(
        file=posixpath.basename(layout.prediction(spec.model_abbr, part.name)),
        sha256=codec.digest_bytes(body),
        model=spec.model_abbr,
        dataset=part.dataset_abbr,
        shard=spec.id,
        token=token,
        start=part.start,
        stop=part.stop,
        total=part.total,
        count=part.count,
        fingerprint=part.fingerprint,
        pair_fingerprint=part.pair_fingerprint,
        weights_id=spec.weights_id,
        created_at=now(),
        details=details,
    )


def of_result(spec: ShardSpec, token: str, file: str, body: bytes, details: dict[str, Any]) -> Manifest:
    """The manifest of the result of one model x dataset.

    :param token: of the job that scored it.
    :param file: the file's name.
    :param body: the file's content.
    """
    first = spec.parts[0]
    return Manifest(
        file=file,
        sha256=codec.digest_bytes(body),
        model=spec.model_abbr,
        dataset=first.dataset_abbr,
        shard=spec.id,
        token=token,
        start=0,
        stop=first.total,
        total=first.total,
        count=first.total,
        fingerprint=spec.evaluation_fingerprint,
        pair_fingerprint=first.pair_fingerprint,
        weights_id=spec.weights_id,
        created_at=now(),
        details=details,
    )
