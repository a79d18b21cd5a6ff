# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Streaming, cancelling, sampling and prefix reuse on a tiny LLaMA with random weights."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.generation.logits_process import RepetitionPenaltyLogitsProcessor

from spatialgeo_ros.speech.decoder import Decoder
from spatialgeo_ros.speech.incremental import IncrementalText
from spatialgeo_ros.speech.sampling import Sampling, draw, penalise
from spatialgeo_ros.speech.stream import generate as generate_with
from spatialgeo_ros.speech.tokenizer import LanguageTokenizer, build_nano_tokenizer

pytestmark = pytest.mark.transformers
DIM = 32
#: Every way that runs on a CPU; "direct" calls what is captured on a GPU.
MODES = ("eager", "direct", "dynamic")


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def generate(model, *args, decoder: Decoder | None = None, **options):
    """An answer with memory of its own, unless a decoder is given."""
    return generate_with(decoder or Decoder(model), *args, **options)


@pytest.fixture(scope="module")
def tokenizer() -> LanguageTokenizer:
    return build_nano_tokenizer(["red", "chair", "door"])


@pytest.fixture(scope="module")
def model(tokenizer: LanguageTokenizer) -> LlamaForCausalLM:
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=DIM,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.4,  # large enough that different prompts give different answers
        bos_token_id=1,
        eos_token_id=2,
    )
    return LlamaForCausalLM(config).eval()


def prompt(seed: int, length: int, shared: int = 0) -> torch.Tensor:
    """Random embeddings; the first ``shared`` positions are the same for every seed."""
    generator = torch.Generator().manual_seed(seed)
    own = torch.randn(1, length - shared, DIM, generator=generator)
    head = torch.randn(1, shared, DIM, generator=torch.Generator().manual_seed(999))
    return torch.cat((head, own), dim=1)


def reference(model: LlamaForCausalLM, embeds: torch.Tensor, steps: int) -> list[int]:
    """Greedy decoding that computes the whole sequence anew for every token."""
    ids: list[int] = []
    with torch.no_grad():
        for _ in range(steps):
            token = int(model(inputs_embeds=embeds).logits[0, -1].argmax())
            ids.append(token)
            if token == 2:
                break
            new = model.get_input_embeddings()(torch.tensor([[token]]))
            embeds = torch.cat((embeds, new), dim=1)
    return ids


def test_greedy_equals_recomputing_everything(model, tokenizer, mode: str) -> None:
    answers, decoder = set(), Decoder(model, mode)
    for seed in range(5):
        embeds = prompt(seed, 9)
        result = generate(
            model, tokenizer, embeds, Sampling(max_new_tokens=12), decoder=decoder,
            prefix_key=seed, prefix_length=seed,
        )  # fmt: skip
        assert list(result.ids) == reference(model, embeds, 12)
        assert result.stopped == ("eos" if result.ids[-1] == 2 else "length")
        assert result.prompt_tokens == 9
        answers.add(result.ids)
    assert len(answers) > 1


def test_prefix_reuse_changes_nothing_but_the_work(model, tokenizer, mode: str) -> None:
    decoder = Decoder(model, mode)
    lengths: list[int] = []

    def record(_module, _args, kwargs) -> None:
        embeds = kwargs.get("inputs_embeds")
        lengths.append((kwargs["input_ids"] if embeds is None else embeds).shape[1])

    handle = model.model.register_forward_pre_hook(record, with_kwargs=True)
    try:
        for seed in range(4):
            embeds = prompt(seed, 30 + seed, shared=20)
            plain = generate(model, tokenizer, embeds, Sampling(max_new_tokens=8))
            lengths.clear()
            cached = generate(
                model,
                tokenizer,
                embeds,
                Sampling(max_new_tokens=8),
                decoder=decoder,
                prefix_key=("frame", 1),
                prefix_length=20,
            )
            assert cached.ids == plain.ids
            assert cached.reused_tokens == (20 if seed else 0)
            # Fixed passes pad a question of up to 16 tokens.
            question = 16 if mode == "direct" else 10 + seed
            first = [] if seed else [20]
            assert lengths[: len(first) + 1] == [*first, question]
            assert set(lengths[len(first) + 1 :]) == {1}
    finally:
        handle.remove()
    assert (decoder.prefills, decoder.hits) == (1, 3)
    assert decoder.computed_tokens == 20 + 10 + 11 + 12 + 13


def test_another_key_or_length_computes_the_prefix_again(model, tokenizer, mode: str) -> None:
    decoder = Decoder(model, mode)
    for key, length in (("a", 20), ("b", 20), ("b", 19), ("b", 19)):
        generate(
            model, tokenizer, prompt(1, 25, shared=20), Sampling(max_new_tokens=2),
            decoder=decoder, prefix_key=key, prefix_length=length,
        )  # fmt: skip
    assert (decoder.prefills, decoder.hits) == (3, 1)
    for forget in (decoder.forget, decoder.clear):
        forget()
        generate(
            model, tokenizer, prompt(1, 25, shared=20), Sampling(max_new_tokens=2),
            decoder=decoder, prefix_key="b", prefix_length=19,
        )  # fmt: skip
    assert (decoder.prefills, decoder.hits) == (5, 1)


def test_a_question_without_a_prefix_takes_the_kept_one_away(model, tokenizer, mode: str) -> None:
    decoder, embeds = Decoder(model, mode), prompt(1, 26, shared=20)
    options = {"decoder": decoder, "prefix_key": 1, "prefix_length": 20}
    expected = generate(model, tokenizer, embeds, Sampling(max_new_tokens=6), **options)
    generate(model, tokenizer, prompt(2, 30), Sampling(max_new_tokens=6), decoder=decoder)
    again = generate(model, tokenizer, embeds, Sampling(max_new_tokens=6), **options)
    assert (again.ids, again.reused_tokens) == (expected.ids, 0)


def test_a_failed_answer_does_not_spoil_the_prefix(model, tokenizer, mode: str) -> None:
    embeds = prompt(1, 26, shared=20)
    options = {"decoder": Decoder(model, mode), "prefix_key": 1, "prefix_length": 20}
    expected = generate(model, tokenizer, embeds, Sampling(max_new_tokens=6), **options)

    def fail(_piece: str) -> None:
        raise RuntimeError("the client went away")

    with pytest.raises(RuntimeError, match="went away"):
        generate(model, tokenizer, embeds, Sampling(max_new_tokens=6), on_token=fail, **options)
    again = generate(model, tokenizer, embeds, Sampling(max_new_tokens=6), **options)
    assert again.ids == expected.ids


def test_pieces_join_to_the_text(model, tokenizer) -> None:
    pieces: list[str] = []
    result = generate(
        model, tokenizer, prompt(2, 9), Sampling(max_new_tokens=12), on_token=pieces.append
    )
    assert len(pieces) > 3
    assert "".join(pieces).strip() == result.text
    assert result.text == tokenizer.decode(result.ids).strip()


@pytest.mark.parametrize("after", [0, 1, 3])
def test_cancelling_stops_within_one_token(model, tokenizer, mode: str, after: int) -> None:
    pieces: list[str] = []
    full = generate(model, tokenizer, prompt(2, 9), Sampling(max_new_tokens=12))
    assert len(full.ids) > after + 1
    result = generate(
        model, tokenizer, prompt(2, 9), Sampling(max_new_tokens=12), decoder=Decoder(model, mode),
        on_token=pieces.append, cancelled=lambda: len(pieces) >= after,
    )  # fmt: skip
    assert result.stopped == "cancelled"
    assert len(pieces) == after
    assert result.ids == full.ids[: len(result.ids)]


def test_a_cancelled_answer_leaves_the_prefix_usable(model, tokenizer, mode: str) -> None:
    embeds = prompt(2, 26, shared=20)
    options = {"decoder": Decoder(model, mode), "prefix_key": 1, "prefix_length": 20}
    pieces: list[str] = []
    generate(
        model, tokenizer, embeds, on_token=pieces.append, cancelled=lambda: bool(pieces), **options
    )
    cached = generate(model, tokenizer, embeds, Sampling(max_new_tokens=6), **options)
    assert cached.reused_tokens == 20
    assert cached.ids == generate(model, tokenizer, embeds, Sampling(max_new_tokens=6)).ids


def test_sampling_repeats_with_its_seed_and_top_p_keeps_the_likeliest(model, tokenizer) -> None:
    def ids(seed: int, top_p: float = 1.0) -> tuple[int, ...]:
        options = Sampling(max_new_tokens=10, temperature=1.5, top_p=top_p, seed=seed)
        return generate(model, tokenizer, prompt(4, 9), options).ids

    assert ids(1) == ids(1)
    assert len({ids(seed) for seed in range(5)}) > 1
    greedy = generate(model, tokenizer, prompt(4, 9), Sampling(max_new_tokens=10)).ids
    assert ids(1, top_p=1e-6) == greedy

    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    generator = torch.Generator().manual_seed(0)
    sampling = Sampling(temperature=1.0, top_p=0.7)
    assert {int(draw(logits, sampling, generator)) for _ in range(200)} == {0, 1}


def test_a_draw_is_that_of_multinomial() -> None:
    logits = torch.randn(300, generator=torch.Generator().manual_seed(1))
    one, other = (torch.Generator().manual_seed(2) for _ in range(2))
    for temperature in (0.2, 1.0, 3.0):
        expected = torch.multinomial((logits / temperature).softmax(-1), 1, generator=one)
        assert int(draw(logits, Sampling(temperature=temperature), other)) == int(expected)


def test_without_a_seed_the_global_generator_decides(model, tokenizer, mode: str) -> None:
    answers = []
    for seed in (7, 7, 8):
        torch.manual_seed(seed)
        answers.append(
            generate(
                model, tokenizer, prompt(4, 9), Sampling(max_new_tokens=10, temperature=1.5),
                decoder=Decoder(model, mode),
            ).ids
        )  # fmt: skip
    assert answers[0] == answers[1] != answers[2]


def test_the_number_token_carries_its_distribution(model, tokenizer, mode: str) -> None:
    ids, values = tokenizer.number_tokens()
    with torch.no_grad():
        saved = model.lm_head.weight.clone()
        target = ids[values.index(1.35)]
        hidden = model.model(inputs_embeds=prompt(5, 9)).last_hidden_state[0, -1]
        model.lm_head.weight[target] = hidden * 3
        model.lm_head.weight[ids[values.index(1.40)]] = hidden * 3 * 0.999
    try:
        result = generate(
            model, tokenizer, prompt(5, 9), Sampling(max_new_tokens=3),
            decoder=Decoder(model, mode), prefix_length=4,
        )  # fmt: skip
    finally:
        with torch.no_grad():
            model.lm_head.weight.copy_(saved)
    assert result.text.startswith("1.35")
    assert result.number is not None
    assert result.number.value == 1.35
    assert 1.35 < result.number.mean < 1.40
    assert 0 < result.number.std < 0.05
    assert 0.9 < result.number.probability <= 1 + 1e-6


def test_a_prefix_must_leave_something_to_compute(model, tokenizer) -> None:
    with pytest.raises(ValueError, match="prefix_length"):
        generate(model, tokenizer, prompt(1, 5), prefix_length=5)
    with pytest.raises(ValueError):
        Sampling(max_new_tokens=0)
    with pytest.raises(ValueError):
        Sampling(top_p=0.0)


def test_positions_that_count_from_zero_change_nothing(model, tokenizer) -> None:
    embeds = prompt(6, 9)
    sampling = Sampling(max_new_tokens=10)
    plain = generate(model, tokenizer, embeds, sampling)
    counted = generate(model, tokenizer, embeds, sampling, position_ids=torch.arange(9)[None])
    assert counted.ids == plain.ids


def test_the_answer_continues_the_positions_given(model, tokenizer, mode: str) -> None:
    embeds = prompt(6, 9)
    positions = torch.tensor([[0, 1, 2, 2, 2, 3, 9, 9, 5]])  # the largest is not the last
    seen: list[list[int]] = []
    handle = model.model.register_forward_pre_hook(
        lambda _module, _args, kwargs: seen.append(kwargs["position_ids"][0].tolist()),
        with_kwargs=True,
    )
    try:
        answers = [
            generate(
                model, tokenizer, embeds, Sampling(max_new_tokens=4),
                position_ids=positions, prefix_length=length, decoder=Decoder(model, mode),
            ).ids
            for length in (0, 5)
        ]  # fmt: skip
    finally:
        handle.remove()
    assert answers[0] == answers[1]
    assert seen[:4] == [positions[0].tolist(), [10], [11], [12]]
    # Fixed passes pad a question at its end.
    question = [*positions[0, 5:].tolist(), *[0] * (12 if mode == "direct" else 0)]
    assert seen[4:] == [positions[0, :5].tolist(), question, [10], [11], [12]]


def test_positions_must_fit_the_prompt(model, tokenizer) -> None:
    with pytest.raises(ValueError, match="8 position_ids for a prompt of 9 tokens"):
        generate(model, tokenizer, prompt(1, 9), position_ids=torch.arange(8)[None])


def test_repetition_penalty_equals_transformers(model, tokenizer, mode: str) -> None:
    ids = torch.tensor([[5, 9, 12, 30, 31, 7, 9]])
    embeds = model.get_input_embeddings()(ids)
    answers = set()
    decoder = Decoder(model, mode)
    for penalty in (1.0, 1.2, 2.0, 0.7):
        expected = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12,
            repetition_penalty=penalty, pad_token_id=0,
        )  # fmt: skip
        found = generate(
            model, tokenizer, embeds, Sampling(max_new_tokens=12, repetition_penalty=penalty),
            prompt_ids=[*ids[0].tolist(), -200], decoder=decoder, prefix_length=2,
        )  # fmt: skip
        assert list(found.ids) == expected[0, 7:].tolist()
        answers.add(found.ids)
    assert len(answers) > 2
    logits = torch.randn(1, 50, generator=torch.Generator().manual_seed(0))
    expected = RepetitionPenaltyLogitsProcessor(1.3)(ids, logits)[0]
    assert (logits[0, ids[0]] < 0).any()
    seen = torch.zeros(50, dtype=torch.bool).index_fill(0, ids[0], True)
    assert torch.equal(penalise(logits[0], seen, torch.tensor(1.3)), expected)
    assert torch.equal(penalise(logits[0], seen, torch.tensor(1.0)), logits[0])
    with pytest.raises(ValueError, match="repetition_penalty"):
        Sampling(repetition_penalty=0.0)


def test_other_end_tokens_end_the_answer_too(model, tokenizer) -> None:
    full = generate(model, tokenizer, prompt(2, 9), Sampling(max_new_tokens=12))
    place = next(i for i, token in enumerate(full.ids) if i > 1 and token not in full.ids[:i])
    ended = generate(
        model, tokenizer, prompt(2, 9), Sampling(max_new_tokens=12), end_ids=[full.ids[place]]
    )
    assert (ended.ids, ended.stopped) == (full.ids[: place + 1], "eos")


@pytest.fixture(scope="module")
def byte_tokenizer() -> LanguageTokenizer:
    """One token per byte: most characters outside ASCII take several tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return LanguageTokenizer(PreTrainedTokenizerFast(tokenizer_object=backend))


def stream(tokenizer: LanguageTokenizer, ids: Iterable[int], stop: str | None = None) -> list[str]:
    text = IncrementalText(tokenizer, stop)
    return [*(text.push(token) for token in ids), text.flush()]


@pytest.mark.parametrize(
    "text", ["naïve café, 1.20 m", "距離は2メートル", "a 👩‍🚀 b", " two  spaces "]
)
def test_no_piece_holds_half_a_character(byte_tokenizer, text: str) -> None:
    pieces = stream(byte_tokenizer, byte_tokenizer.encode(text))
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)
    assert len([piece for piece in pieces if piece]) > 3


def test_the_stop_text_is_held_back_and_dropped(byte_tokenizer) -> None:
    pieces = stream(byte_tokenizer, byte_tokenizer.encode("1 # 2###Human: x"), stop="###")
    assert "".join(pieces) == "1 # 2"
    assert pieces[2] == ""  # the first # could begin the stop text
    pieces = stream(byte_tokenizer, byte_tokenizer.encode("almost ##"), stop="###")
    assert "".join(pieces) == "almost ##"


def test_words_keep_their_spaces(tokenizer) -> None:
    ids = tokenizer.encode("the red chair is 1.35 meters from the door.", add_bos=False)
    assert "".join(stream(tokenizer, ids)) == tokenizer.decode(ids)
