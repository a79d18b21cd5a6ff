# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The memory between questions: the same tokens whichever way a model is run, LLaMA and Qwen2.5."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from language_models import DIM, LENGTH, prompt, tiny_llama, tiny_qwen
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import DynamicCache

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.runtime.cuda_graph import CaptureError
from spatialgeo_ros.speech import fixed_passes, slots
from spatialgeo_ros.speech.decoder import RESERVE, STEP, Decoder
from spatialgeo_ros.speech.embedded_prompt import Prompt
from spatialgeo_ros.speech.fixed_passes import QUESTION_LENGTHS, FixedPasses
from spatialgeo_ros.speech.sampling import Sampling

pytestmark = pytest.mark.transformers
SLOT_MODES = ("eager", "direct")
MODELS: dict[str, Callable[[], Any]] = {"llama": tiny_llama, "qwen": tiny_qwen}


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> Any:
    return MODELS[request.param]()


def answer(
    decoder: Decoder, asked: Prompt, count: int = 8, key: Any = None, prefix: int = 0, **how: Any
) -> list[int]:
    decoder.begin(
        asked, Sampling(max_new_tokens=count, **how), prefix_key=key, prefix_length=prefix
    )
    ids = [decoder.next() for _ in range(count)]
    decoder.end()
    return ids


def logits_of(decoder: Decoder, asked: Prompt, steps: int, prefix: int) -> Tensor:
    """Logits [steps, V] of every token of an answer."""
    decoder.begin(asked, Sampling(max_new_tokens=steps), prefix_key=1, prefix_length=prefix)
    found = []
    for _ in range(steps):
        decoder.next(ahead=False)
        found.append(decoder.logits())
    decoder.end()
    return torch.stack(found)


@pytest.mark.parametrize("mode", SLOT_MODES)
def test_slots_give_the_logits_of_a_growing_cache(model: Any, mode: str) -> None:
    for seed, length, prefix in ((0, 30, 0), (1, 30, 21), (1, 30, 21), (2, 120, 41)):
        asked = prompt(model, seed, length)
        expected = logits_of(Decoder(model, "dynamic"), asked, 6, prefix)
        found = logits_of(Decoder(model, mode), asked, 6, prefix)
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-5 * float(expected.abs().max()))
        assert torch.equal(found.argmax(-1), expected.argmax(-1))


def test_exact_lengths_are_equal_to_the_bit(model: Any) -> None:
    """Nothing but the place of keys and values differs from transformers' own cache."""
    asked = prompt(model, 3, 40)
    found, expected = (
        logits_of(Decoder(model, mode), asked, 6, 0) for mode in ("eager", "dynamic")
    )
    assert torch.equal(found, expected)


@pytest.mark.parametrize("mode", SLOT_MODES)
def test_a_longer_prompt_makes_the_memory_grow(model: Any, mode: str) -> None:
    decoder, fresh = Decoder(model, mode), Decoder(model, "dynamic")
    sizes = []
    for seed, length in ((0, 20), (1, 40), (2, 260), (3, 20), (4, 330)):
        asked = prompt(model, seed, length)
        prefix = length - 9
        for _ in range(2):
            assert answer(decoder, asked, key=seed, prefix=prefix) == answer(fresh, asked)
        sizes.append(decoder.describe()["cache_tokens"])
    # 20 tokens with room for a question of 64 and an answer of 8; then in generous steps.
    needed = [11 + 64 + 8, 31 + 64 + 8 + RESERVE, 0, 0, 321 + 64 + 8 + RESERVE]
    steps = [-(-slots // STEP) * STEP for slots in needed]
    assert sizes == [steps[0], steps[1], steps[1], steps[1], steps[4]]
    assert (decoder.prefills, decoder.hits) == (5, 5)
    text = model.config.get_text_config()
    heads = text.num_key_value_heads * (text.hidden_size // text.num_attention_heads)
    assert decoder.describe()["cache_bytes"] == sizes[-1] * heads * text.num_hidden_layers * 2 * 4


@pytest.mark.parametrize("mode", SLOT_MODES)
def test_growing_keeps_the_prefix(model: Any, mode: str) -> None:
    """The second question about an image is too long for the memory that the first needed."""
    decoder = Decoder(model, mode)
    short = prompt(model, 5, 50, shared=40)
    answer(decoder, short, key="image", prefix=40)
    before, computed = decoder.describe()["cache_tokens"], decoder.computed_tokens
    long = prompt(model, 6, 40 + 256, shared=40)
    found = answer(decoder, long, key="image", prefix=40)
    assert decoder.describe()["cache_tokens"] > before
    assert (decoder.prefills, decoder.hits) == (1, 1)
    assert decoder.computed_tokens - computed == 256
    assert found == answer(Decoder(model, "dynamic"), long)
    assert answer(decoder, short, key="image", prefix=40) == answer(
        Decoder(model, "dynamic"), short
    )


@pytest.mark.parametrize("mode", SLOT_MODES)
def test_without_memory_to_grow_a_shorter_question_is_still_answered(
    model: Any, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder, asked = Decoder(model, mode), prompt(model, 5, 50)
    expected = answer(decoder, asked, key=1, prefix=40)
    calls = []

    def scarce(like: Tensor, capacity: int) -> Tensor:
        calls.append(capacity)
        if len(calls) == 3:  # one layer has grown, the other has not
            raise torch.OutOfMemoryError("no memory")
        return torch.zeros((*like.shape[:2], capacity, like.shape[3]), dtype=like.dtype)

    monkeypatch.setattr(slots, "_empty_slots", scarce)
    with pytest.raises(torch.OutOfMemoryError):
        answer(decoder, prompt(model, 6, 500), key=2, prefix=400)
    decoder.forget()  # as generate() does
    assert decoder.describe()["cache_bytes"] == 0
    assert answer(decoder, asked, key=1, prefix=40) == expected


@pytest.mark.parametrize("mode", SLOT_MODES)
def test_cropping_moves_and_copies_nothing(
    model: Any, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Decoder(model, mode)
    answer(decoder, prompt(model, 1, 40, shared=30), key=1, prefix=30)
    layers = decoder._cache.layers
    memory = [(layer.keys.data_ptr(), layer.values.data_ptr()) for layer in layers]
    kept = [layer.keys[:, :, :30].clone() for layer in layers]
    for seed in (2, 3):
        answer(decoder, prompt(model, seed, 44, shared=30), key=1, prefix=30)
    assert memory == [(layer.keys.data_ptr(), layer.values.data_ptr()) for layer in layers]
    assert all(torch.equal(a, b.keys[:, :, :30]) for a, b in zip(kept, layers, strict=True))
    assert decoder.hits == 2


@pytest.mark.parametrize("mode", SLOT_MODES)
def test_what_an_answer_left_behind_is_never_seen_again(model: Any, mode: str) -> None:
    """A long answer and padding fill slots behind the prefix; the next question is shorter."""
    decoder = Decoder(model, mode)
    answer(decoder, prompt(model, 1, 70, shared=30), 30, key=1, prefix=30)
    for count in (1, 15, 16, 17, 33, 64, 65):
        asked = prompt(model, 100 + count, 30 + count, shared=30)
        assert answer(decoder, asked, key=1, prefix=30) == answer(Decoder(model, "dynamic"), asked)


@pytest.mark.parametrize("mode", (*SLOT_MODES, "dynamic"))
def test_two_speakers_do_not_disturb_each_other(mode: str) -> None:
    models = [tiny_llama(seed) for seed in (1, 2)]
    decoders = [Decoder(one, mode) for one in models]
    asked = [prompt(one, seed, 30) for seed, one in enumerate(models)]
    alone = [answer(Decoder(one, "dynamic"), what) for one, what in zip(models, asked, strict=True)]
    for decoder, what in zip(decoders, asked, strict=True):
        decoder.begin(what, Sampling(max_new_tokens=8), prefix_key=1, prefix_length=20)
    found: list[list[int]] = [[], []]
    for _ in range(8):  # token by token in turn
        for decoder, ids in zip(decoders, found, strict=True):
            ids.append(decoder.next())
    for decoder in decoders:
        decoder.end()
    assert found == alone
    assert alone[0] != alone[1]


@pytest.mark.parametrize("mode", (*SLOT_MODES, "dynamic"))
def test_after_a_cut_answer_the_next_is_right(model: Any, mode: str) -> None:
    decoder = Decoder(model, mode)
    first, second = (prompt(model, seed, 36, shared=25) for seed in (1, 2))
    decoder.begin(first, Sampling(max_new_tokens=20), prefix_key=1, prefix_length=25)
    for _ in range(4):
        decoder.next()
    decoder.end()
    assert answer(decoder, second, key=1, prefix=25) == answer(Decoder(model, "dynamic"), second)
    assert (decoder.prefills, decoder.hits) == (1, 1)


def test_what_the_model_cannot_read_is_refused(model: Any) -> None:
    decoder = Decoder(model)
    with pytest.raises(BadRequestError, match=rf"{LENGTH - 4} tokens and .* 5, .* reads {LENGTH}"):
        decoder.begin(prompt(model, 1, LENGTH - 4), Sampling(max_new_tokens=5))
    assert answer(decoder, prompt(model, 1, LENGTH - 5), 5)
    assert answer(decoder, prompt(model, 2, 20), 5)


class _Forbidden(TorchDispatchMode):
    """Lets nothing through that asks the device for a value, or has a shape of values."""

    NAMES = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "unique", "equal")

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        assert name not in self.NAMES, f"{name} waits for the device"
        # A mask of bools as an index has a shape of values too.
        if name in ("index", "index_put_", "index_put"):
            dtypes = {one.dtype for one in args[1] if one is not None}
            assert torch.bool not in dtypes, f"{name} by bools waits for the device"
        self.calls += 1
        return func(*args, **(kwargs or {}))


def test_what_is_captured_asks_for_no_value(model: Any) -> None:
    """On a GPU each of these would end the capture; a number from the host would be frozen."""
    decoder, asked = Decoder(model, "direct"), prompt(model, 1, 36, shared=25)
    expected = answer(decoder, asked, key=1, prefix=25, repetition_penalty=1.3)
    decoder.begin(
        asked, Sampling(max_new_tokens=8, repetition_penalty=1.3), prefix_key=1, prefix_length=25
    )
    fixed, found = decoder._fixed, [decoder.next()]
    assert fixed is not None
    with torch.inference_mode():
        for _ in range(7):
            with _Forbidden() as watched:
                fixed._run_token()
            assert watched.calls > 50
            found.append(int(decoder._choice.token))
        assert found == expected
        for size in QUESTION_LENGTHS:
            with _Forbidden() as watched:
                fixed._runner(fixed._questions[size])()
            assert watched.calls > 50
    with pytest.raises(AssertionError, match="waits for the device"), _Forbidden():
        torch.ones(3)[torch.ones(3, dtype=torch.bool)]


def test_a_draw_asks_for_no_value() -> None:
    from spatialgeo_ros.speech.sampling import draw

    with _Forbidden() as watched:
        draw(torch.randn(50), Sampling(temperature=0.5, top_p=0.9), torch.Generator())
    assert watched.calls > 5


def test_a_question_takes_one_pass_of_a_fixed_length(model: Any) -> None:
    assert [FixedPasses.question_length(n) for n in (1, 16, 17, 64, 65)] == [16, 16, 32, 64, None]
    decoder = Decoder(model, "direct")
    lengths: list[int] = []

    def record(_module: Any, _args: Any, given: dict[str, Any]) -> None:
        ids = given.get("input_ids")
        lengths.append((given["inputs_embeds"] if ids is None else ids).shape[1])

    handle = model.get_decoder().register_forward_pre_hook(record, with_kwargs=True)
    try:
        for count, expected in ((9, 16), (20, 32), (64, 64), (70, 70)):
            answer(decoder, prompt(model, count, 25 + count, shared=25), 1, key=1, prefix=25)
            assert lengths[-1] == expected
    finally:
        handle.remove()


def test_without_a_gpu_it_says_why(model: Any) -> None:
    decoder = Decoder(model)
    words = "eager loop: CUDA graphs need an NVIDIA GPU; this runs on cpu"
    assert decoder.describe()["decoding"] == words
    with pytest.raises(ValueError, match="unknown mode 'fast'"):
        decoder.use("fast")


def test_where_a_capture_fails_the_eager_loop_says_why(
    model: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = []

    def fail(*_args: Any, **_options: Any) -> Any:
        tried.append(1)
        raise CaptureError("it cannot be captured: no such kernel")

    monkeypatch.setattr(fixed_passes, "capture", fail)
    decoder = Decoder(model, "graph")
    with caplog.at_level(logging.WARNING):
        for seed in range(5):
            asked = prompt(model, seed, 30)
            found = answer(decoder, asked, key=seed, prefix=20)
            assert found == answer(Decoder(model, "dynamic"), asked)
    words = "eager loop: it cannot be captured: no such kernel"
    assert decoder.describe()["decoding"] == words
    assert [record.getMessage() for record in caplog.records] == [f"decoding: {words}"] * 3
    assert len(tried) == 3  # it gives up


def test_a_model_that_looks_at_a_window_keeps_a_growing_cache() -> None:
    windowed = tiny_llama()
    windowed.config.layer_types = ["full_attention", "sliding_attention"]
    decoder = Decoder(windowed)
    assert decoder.mode == "dynamic"
    assert "look at a window" in decoder.describe()["decoding"]
    with pytest.raises(ValueError, match="not for this model"):
        decoder.use("eager")


def test_8_bit_outliers_cannot_be_captured() -> None:
    pytest.importorskip("bitsandbytes")
    from spatialgeo_ros.models.quantise import quantise
    from spatialgeo_ros.speech.decoder import _uncapturable

    for quantisation, refused in (("int8", True), ("nf4", False)):
        model = tiny_llama()
        quantise(model, quantisation)
        assert ("outliers on the host" in _uncapturable(model)) == refused
    assert _uncapturable(tiny_llama()) == ""


def test_a_growing_cache_is_still_transformers_own(model: Any) -> None:
    decoder = Decoder(model, "dynamic")
    decoder.begin(prompt(model, 1, 20), Sampling(max_new_tokens=2), prefix_key=1, prefix_length=9)
    assert isinstance(decoder._cache, DynamicCache)
    assert decoder.next() == answer(Decoder(model), prompt(model, 1, 20), 1)[0]


def test_prompts_are_checked(model: Any) -> None:
    with pytest.raises(ValueError, match="empty"):
        Prompt(torch.zeros(1, 0, DIM))
    with pytest.raises(ValueError, match="below the prompt's 20"):
        Decoder(model).begin(prompt(model, 1, 20), Sampling(), prefix_length=20)
