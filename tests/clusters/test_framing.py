"""A frame says exactly what to run, and an answer is told from noise or is no answer."""

from __future__ import annotations

import itertools
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.clusters.framing import Answer, Decoder, frame, opening
from opencompass_ops.errors import InputError, LostError

NONCE = "0123456789abcdef0123456789abcdef"

outputs = st.binary(max_size=300)
# What profiles, banners and background processes print; some of it tries to look like us.
noises = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [
                b"Last login: Mon\r\n",
                b"00000000000000000000000000000000 answer 1 0 0 0\n",
                f"{NONCE}:run 1 4 0\n".encode(),
                f"{NONCE} answer 2 0 0 0\n{NONCE} end 2\n".encode(),
                f"{NONCE} answer 1 ".encode(),
                f"printf '%s answer 1 0 0 0\\n' {NONCE}\n".encode(),
                NONCE.encode(),
            ]
        ),
    )
).map(b"".join)


def answered(number: int, returncode: int, stdout: bytes, stderr: bytes) -> bytes:
    """What serve.sh prints."""
    header = f"{NONCE} answer {number} {returncode} {len(stdout)} {len(stderr)}\n".encode()
    return header + stdout + stderr + f"{NONCE} end {number}\n".encode()


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(edges)]


@given(noise=noises, code=st.integers(0, 255), stdout=outputs, stderr=outputs, cuts=st.lists(st.integers(0, 10_000)))
def test_an_answer_is_found_in_any_noise_and_in_any_pieces(noise, code, stdout, stderr, cuts):
    decoder = Decoder(NONCE)
    found = []
    for piece in pieces(noise + answered(1, code, stdout, stderr), cuts):
        decoder.feed(piece)
        found += [decoder.answer(1)] if not found or found[-1] is None else []
    assert found[-1] == Answer(code, stdout, stderr)


@given(noise=noises, stdout=outputs, stderr=outputs, data=st.data())
def test_a_part_of_an_answer_is_never_an_answer(noise, stdout, stderr, data):
    whole = noise + answered(1, 0, stdout, stderr)
    decoder = Decoder(NONCE)
    decoder.feed(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert decoder.answer(1) is None


@given(stdout=outputs, stderr=outputs, intruder=st.binary(min_size=1, max_size=20), data=st.data())
def test_noise_inside_an_answer_is_lost_and_not_output(stdout, stderr, intruder, data):
    whole = answered(1, 0, stdout, stderr)
    begin = whole.index(b"\n") + 1
    # Noise that repeats what stands there is no change of the bytes that count.
    place = data.draw(st.integers(begin, len(whole) - 1))
    decoder = Decoder(NONCE)
    decoder.feed(whole[:place] + intruder + whole[place:])
    try:
        answer = decoder.answer(1)
    except LostError:
        return
    assert answer is None or answer == Answer(0, stdout, stderr)


@given(first=outputs, second=outputs, noise=noises)
def test_answers_follow_one_another_on_a_stream(first, second, noise):
    decoder = Decoder(NONCE)
    decoder.feed(f"motd\n{NONCE} ready\n".encode() + noise + answered(1, 0, first, b""))
    assert decoder.greeting()
    assert decoder.answer(1) == Answer(0, first, b"")
    decoder.feed(b"wall: maintenance at noon\n" + answered(2, 1, second, b"e"))
    assert decoder.answer(2) == Answer(1, second, b"e")


def test_the_answer_to_another_frame_is_noise():
    decoder = Decoder(NONCE)
    decoder.feed(answered(1, 0, b"old", b""))
    assert decoder.answer(2) is None


def test_a_profile_that_echoes_what_is_sent_is_no_greeting_and_no_answer():
    decoder = Decoder(NONCE)
    decoder.feed(opening(NONCE))
    assert not decoder.greeting()
    decoder.feed(frame(NONCE, 1, "echo yes", (), b""))
    assert decoder.answer(1) is None


def test_endless_noise_is_not_kept():
    decoder = Decoder(NONCE)
    for _ in range(100):
        decoder.feed(b"x" * 10_000)
        assert not decoder.greeting()
    assert len(decoder.noise) <= 2000


@given(arguments=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))), stdin=outputs)
def test_a_frame_names_its_bytes_and_quotes_its_arguments(arguments, stdin):
    header, _, rest = frame(NONCE, 7, "echo", arguments, stdin).partition(b"\n")
    word, number, script_bytes, stdin_bytes = header.decode().split(" ")
    assert (word, number) == (f"{NONCE}:run", "7")
    script, sent = rest[: int(script_bytes)], rest[int(script_bytes) :]
    assert sent == stdin + f"{NONCE}:end\n".encode()
    assert int(stdin_bytes) == len(stdin)
    assert shlex.split(script.decode().removesuffix("echo")) == ["set", "--", *arguments]


@pytest.mark.parametrize(("script", "arguments"), [("echo \0", ()), ("echo", ("a\0b",))])
def test_a_nul_outside_stdin_is_refused(script, arguments):
    with pytest.raises(InputError, match="NUL"):
        frame(NONCE, 1, script, arguments, b"")
