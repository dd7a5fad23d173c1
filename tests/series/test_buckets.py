"""Checkpoints in an object store: an S3 server (moto), boto3, and uploads that are not over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from checkpoint_folders import INDEX, shard_names, truncate, write_checkpoint
from inference.identity import weights_identity
from opencompass_ops.errors import PlanError, UnsureError
from opencompass_ops.series.config import Series
from opencompass_ops.series.keys import Keys
from opencompass_ops.series.ledger import INCOMPLETE, READY, Sighting
from opencompass_ops.series.looking import look
from opencompass_ops.series.places import Place, open_place

pytest.importorskip("boto3", reason="boto3 is absent; pip install 'opencompass-ops[s3]'")
moto_server = pytest.importorskip("moto.server", reason="moto is absent; pip install -r requirements-dev.txt")

BUCKET = "model_weights"  # Petrel's users have such names


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of an S3 server on loopback."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Store:
    """A bucket, and a series that looks into it.

    :param client: of the trainer's side.
    """

    def __init__(self, client: Any, endpoint: str, folder: Path, values: dict[str, Any]) -> None:
        self.client = client
        self.folder = folder
        self.endpoint = endpoint
        self.series = Series.from_values("run7", values)

    @property
    def place(self) -> Place:
        """As a tick opens it."""
        return open_place(self.series, self.keys)

    async def keys(self, connection_id: str) -> Keys:
        """What the connection says."""
        assert connection_id == "ceph"
        return Keys(self.endpoint, "id", "secret")

    def put(self, folder: Path, *, without: tuple[str, ...] = ()) -> None:
        """Upload a folder as ``runs/7/NAME``."""
        for file in sorted(folder.iterdir()):
            if file.name not in without:
                self.client.put_object(Bucket=BUCKET, Key=self.key(folder, file.name), Body=file.read_bytes())

    @staticmethod
    def key(folder: Path, name: str) -> str:
        """Of a file."""
        return f"runs/7/{folder.name}/{name}"

    def look(self) -> dict[str, Sighting]:
        """One look, with nothing known."""
        return {one.name: one for one in asyncio.run(look(self.series, self.place, {}, datetime.now(UTC)))}


@pytest.fixture
def store(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    from opencompass_ops.series.bucket import client_for

    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    client = client_for(Keys(endpoint, "id", "secret"), "s3")
    client.create_bucket(Bucket=BUCKET)
    values = {
        "checkpoints": {
            "at": f"s3://{BUCKET}/runs/7", "pattern": "step-{step}", "connection": "ceph",
            "stage": str(tmp_path / "stage"),
        },
        "suite": "nightly@1",
        "ready": {"settle_minutes": 0},
    }  # fmt: skip
    yield Store(client, endpoint, tmp_path, values)
    for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    client.delete_bucket(Bucket=BUCKET)


def test_a_whole_checkpoint_is_ready_and_brought_as_it_is(store: Store):
    folder = write_checkpoint(store.folder / "step-100", shards=2)
    store.put(folder)
    seen = store.look()["step-100"]
    assert (seen.state, seen.reason, seen.step) == (READY, "", 100)
    brought = asyncio.run(store.place.bring("step-100", seen.digest))
    assert Path(brought).name == "step-100"
    assert {file.name: file.read_bytes() for file in Path(brought).iterdir()} == {
        file.name: file.read_bytes() for file in folder.iterdir()
    }
    assert weights_identity(brought) == weights_identity(folder)
    assert asyncio.run(store.place.bring("step-100", seen.digest)) == brought, "and once"
    store.place.tidy({seen.digest})
    assert Path(brought).is_dir()
    store.place.tidy(set())
    assert not Path(brought).exists()
    (aside,) = Path(brought).parent.parent.glob("*.gone")
    assert (aside / "step-100" / "config.json").is_file(), "nothing is deleted under the lock"
    store.place.sweep()
    assert not aside.exists()


def test_an_upload_in_progress_is_refused_until_it_is_over(store: Store):
    folder = write_checkpoint(store.folder / "step-100")
    weights = (folder / "model.safetensors").read_bytes()
    store.put(folder, without=("model.safetensors",))
    key = {"Bucket": BUCKET, "Key": store.key(folder, "model.safetensors")}
    upload = store.client.create_multipart_upload(**key)["UploadId"]
    part = store.client.upload_part(**key, UploadId=upload, PartNumber=1, Body=weights)
    said = store.look()["step-100"]
    assert said.state == INCOMPLETE
    assert said.reason == "model.safetensors is being uploaded; holds no weights (*.safetensors, *.bin, *.pt)"
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    store.client.complete_multipart_upload(**key, UploadId=upload, MultipartUpload=parts)
    assert store.look()["step-100"].state == READY


def test_an_upload_over_an_older_checkpoint_is_refused_until_it_is_over_and_a_new_one_then(store: Store):
    folder = write_checkpoint(store.folder / "step-100")
    store.put(folder)
    before = store.look()["step-100"]
    key = {"Bucket": BUCKET, "Key": store.key(folder, "model.safetensors")}
    weights = (write_checkpoint(store.folder / "new", seed=1) / "model.safetensors").read_bytes()
    upload = store.client.create_multipart_upload(**key)["UploadId"]
    part = store.client.upload_part(**key, UploadId=upload, PartNumber=1, Body=weights)
    assert store.look()["step-100"].reason == "model.safetensors is being uploaded"
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    store.client.complete_multipart_upload(**key, UploadId=upload, MultipartUpload=parts)
    after = store.look()["step-100"]
    assert after.state == READY
    assert after.digest != before.digest
    with pytest.raises(PlanError, match="was overwritten or deleted"):
        asyncio.run(store.place.bring("step-100", before.digest))
    assert not list((store.folder / "stage").rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (shard_names(3)[1], "1 of 3 shards model-*.safetensors are missing"),
        (INDEX, f"{INDEX} is missing"),
        ("tokenizer.json", "holds no tokenizer"),
        ("config.json", "config.json is missing"),
    ],
)
def test_what_is_not_uploaded_yet_is_named(store: Store, missing: str, said: str):
    store.put(write_checkpoint(store.folder / "step-100", shards=3), without=(missing,))
    assert said in store.look()["step-100"].reason


def test_a_file_that_was_cut_off_before_it_was_uploaded_is_refused(store: Store):
    folder = write_checkpoint(store.folder / "step-100")
    truncate(folder / "model.safetensors")
    store.put(folder)
    assert "its header promises" in store.look()["step-100"].reason


def test_checkpoints_with_folders_of_their_own_are_told_apart(store: Store):
    for step in (1, 2):
        store.put(write_checkpoint(store.folder / f"step-{step}", seed=step))
    store.client.put_object(Bucket=BUCKET, Key="runs/7/step-1/optimizer/rank0.pt", Body=b"x")
    store.client.put_object(Bucket=BUCKET, Key="runs/7/notes.txt", Body=b"x")
    store.client.put_object(Bucket=BUCKET, Key="runs/77/step-3/config.json", Body=b"{}")
    assert {name: one.state for name, one in store.look().items()} == {"step-1": READY, "step-2": READY}


def test_checksums_are_computed_over_what_the_store_holds(store: Store):
    import hashlib

    folder = write_checkpoint(store.folder / "step-100")
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    (folder / "SUMS").write_text(f"{digest}  model.safetensors\n")
    store.put(folder)
    values = {"settle_minutes": 0, "checksums": "SUMS"}
    store.series = Series.from_values("run7", {**_values(store), "ready": values})
    assert store.look()["step-100"].state == READY
    store.put(write_checkpoint(store.folder / "step-100", seed=9))
    assert store.look()["step-100"].reason == "model.safetensors is not what SUMS says"


def test_a_bucket_that_jobs_mount_needs_no_copy(store: Store):
    store.put(write_checkpoint(store.folder / "step-100"))
    values = _values(store)
    place = {key: value for key, value in values["checkpoints"].items() if key != "stage"} | {"mount": "/mnt/weights/7"}
    store.series = Series.from_values("run7", values | {"checkpoints": place})
    seen = store.look()["step-100"]
    assert asyncio.run(store.place.bring("step-100", seen.digest)) == "/mnt/weights/7/step-100"
    assert asyncio.run(store.place.is_still("step-100", seen.digest))
    store.put(write_checkpoint(store.folder / "step-100", seed=7))
    assert not asyncio.run(store.place.is_still("step-100", seen.digest)), "jobs would read the other one"


def test_a_copy_stays_what_it_is(store: Store):
    store.put(write_checkpoint(store.folder / "step-100"))
    seen = store.look()["step-100"]
    store.put(write_checkpoint(store.folder / "step-100", seed=7))
    assert asyncio.run(store.place.is_still("step-100", seen.digest))


def test_a_store_that_refuses_is_no_empty_store(store: Store):
    values = _values(store)
    values["checkpoints"] = values["checkpoints"] | {"at": "s3://nowhere/runs"}
    store.series = Series.from_values("run7", values)
    with pytest.raises(UnsureError, match="NoSuchBucket"):
        store.look()


def test_secrets_of_a_connection_are_in_no_text():
    keys = Keys.from_connection(
        host="https://s3.oss-cn-beijing.aliyuncs.com",
        login="id",
        password="hidden",
        extra={"region_name": "cn-beijing"},
    )
    assert keys.endpoint.startswith("https://s3.oss")
    assert "hidden" not in repr(keys)


def test_alibaba_oss_is_asked_by_the_buckets_own_name():
    from opencompass_ops.series.bucket import client_for

    client = client_for(Keys("https://s3.oss-cn-beijing.aliyuncs.com", "id", "secret"), "oss")
    url = client.generate_presigned_url("get_object", Params={"Bucket": "weights", "Key": "a"})
    assert url.startswith("https://weights.s3.oss-cn-beijing.aliyuncs.com/a?")


def _values(store: Store) -> dict[str, Any]:
    place = store.series.checkpoints
    return {
        "checkpoints": {
            "at": place.at, "pattern": place.pattern.text, "connection": place.connection, "stage": place.stage
        },
        "suite": "nightly@1",
        "ready": {"settle_minutes": 0},
    }  # fmt: skip
