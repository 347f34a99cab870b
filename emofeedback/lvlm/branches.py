"""What a model would say after each of several continuations of one prompt.

The branches differ in a few tokens at the end, so the prompt is read once for all of them. They
stand side by side behind it, each at the positions right after the prompt and blind to the others:
in the same forward pass where the model type is known to take positions and a mask of ours, else
from the prompt's cache, and one by one where neither would be right.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .readout import AnswerForm, label_logits

IN_ONE_PASS, FROM_CACHE, REREAD = "in one pass", "from the prompt's cache", "each by itself"
POSITIONED = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")
"""Model types that find the positions of pictures by `get_rope_index` and take them as input."""
TAKE_MASKS = ("sdpa", "eager")
"""Ways of attending that follow a mask [B, 1, queries, keys]; flash attention does not."""


def read_branches(model: Any, inputs: dict[str, Tensor], steps: Tensor) -> tuple[Tensor, Tensor]:
    """Logits after a prompt, and after each of the branches that continue it.

    Args:
        model: a vision-language model of transformers.
        inputs: what it takes for the prompt, B rows of equal length without padding.
        steps: [N, S], the tokens of each branch.
    Returns: [B, vocabulary] and [B, N, vocabulary].
    """
    way = way_of_reading(model)
    if way == IN_ONE_PASS:
        logits = model(**tree_inputs(model, inputs, steps), use_cache=False).logits
        return logits[:, 0], logits[:, 1:]
    if way == FROM_CACHE:
        out = model(**inputs, use_cache=True, logits_to_keep=1)
        count, length = inputs["input_ids"].shape
        behind = branch_inputs(model, steps, length=length, count=count)
        return out.logits[:, -1], model(**behind, past_key_values=out.past_key_values).logits
    prompts = [inputs, *(with_suffix(inputs, step) for step in steps.tolist())]
    read = [model(**one, use_cache=False, logits_to_keep=1).logits[:, -1] for one in prompts]
    return read[0], torch.stack(read[1:], 1)


def joint_digits(model: Any, inputs: dict[str, Tensor], form: AnswerForm) -> tuple[Tensor, Tensor]:
    """Chances of every pair of digits: arousal is read behind each digit of valence.

    Args:
        model: a vision-language model of transformers.
        inputs: what it takes for the question; a gradient of the pictures comes through.
        form: of the answer, valence and arousal.
    Returns: log-probabilities [B, 9, 9] over (valence, arousal), and the share [B] of all
        probability that digits hold for valence.
    """
    valence, arousal = form.slots
    steps = torch.tensor([[label, *arousal.token_ids] for label in valence.label_ids])
    after_prompt, after_digits = read_branches(model, inputs, steps.to(model.device))
    first, share = label_logits(after_prompt, valence)
    second = after_digits[..., list(arousal.label_ids)].float().log_softmax(-1)
    return first.log_softmax(-1).unsqueeze(-1) + second, share


def way_of_reading(model: Any) -> str:
    """The quickest way that is right for a model, by its configuration.

    Recurrent layers would carry one branch into the next, and sliding windows count its tokens.
    Where positions are found in an unknown way, the model finds them itself and keeps its cache.
    """
    text = model.config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ())
    windowed = kinds - {"full_attention"} if kinds else getattr(text, "sliding_window", None)
    recurrent = getattr(model, "_is_stateful", False)
    if windowed or recurrent or text._attn_implementation not in TAKE_MASKS:
        return REREAD
    return IN_ONE_PASS if model.config.model_type in POSITIONED else FROM_CACHE


def tree_inputs(model: Any, inputs: dict[str, Tensor], steps: Tensor) -> dict[str, Any]:
    """What a model takes to read a prompt and all its branches in one pass.

    Args: as those of `read_branches`; the model type is one of `POSITIONED`.
    Returns: inputs; the logits [B, 1 + N, vocabulary] are those after the prompt and each branch.
    """
    count, length = inputs["input_ids"].shape
    find = model.model.get_rope_index
    known = inputs.keys() & inspect.signature(find).parameters.keys() - {"attention_mask"}
    prompt, _ = find(**{key: inputs[key] for key in known})  # [3, B, L]
    behind = prompt.amax((0, 2)).view(1, -1, 1) + 1 + _places(steps).to(prompt.device)
    before = torch.ones(length, length + steps.numel()).tril().bool()
    seen = torch.cat([before, _seen(steps, length)])
    return {
        **with_suffix(inputs, steps.flatten().tolist()),
        "attention_mask": _mask(seen, model).expand(count, 1, -1, -1),
        "position_ids": torch.cat([prompt, behind.expand(3, -1, -1)], 2),
        "logits_to_keep": length - 1 + _ends(steps),
    }


def branch_inputs(model: Any, steps: Tensor, *, length: int, count: int) -> dict[str, Tensor]:
    """What a model takes after a prompt to read all its branches from the prompt's cache.

    Args:
        model: has just read the prompt.
        steps: [N, S], the tokens of each branch.
        length: tokens of the prompt.
        count: rows B of the prompt.
    Returns: inputs [B, N * S]; the logits [B, N, vocabulary] are those after each branch.
    """
    # where pictures take fewer positions than tokens, the models remember by how many
    shift = getattr(getattr(model, "model", model), "rope_deltas", None)
    places = (length + _places(steps)).to(steps.device).expand(count, -1)
    return {
        "input_ids": steps.flatten().expand(count, -1),
        "attention_mask": _mask(_seen(steps, length), model).expand(count, 1, -1, -1),
        "position_ids": places + (0 if shift is None else shift),
        "logits_to_keep": _ends(steps)[1:] - 1,
    }


def with_suffix(inputs: dict[str, Tensor], token_ids: Sequence[int]) -> dict[str, Tensor]:
    """The same inputs with further text tokens at the end of every row.

    What runs beside the tokens ([B, L]: mask, token types) is continued: ones for the mask, zeros
    (text) for the rest.
    """
    ids = inputs["input_ids"]
    if not token_ids:
        return inputs
    longer = {}
    for key, value in inputs.items():
        if value.shape != ids.shape:
            longer[key] = value
            continue
        tail = torch.tensor(list(token_ids)) if key == "input_ids" else torch.zeros(len(token_ids))
        tail = tail + (1 if key == "attention_mask" else 0)
        longer[key] = torch.cat([value, tail.to(value).expand(len(ids), -1)], 1)
    return longer


def _places(steps: Tensor) -> Tensor:
    """How far behind the prompt each token of the branches [N, S] stands: [N * S]."""
    return torch.arange(steps.shape[1]).repeat(len(steps))


def _ends(steps: Tensor) -> Tensor:
    """Tokens of the branches [N, S] before the first one and up to the end of each: [1 + N]."""
    return torch.arange(len(steps) + 1, device=steps.device) * steps.shape[1]


def _seen(steps: Tensor, length: int) -> Tensor:
    """Which tokens those of the branches [N, S] look at: [N * S, L + N * S]."""
    branches, size = steps.shape
    own = torch.block_diag(*[torch.ones(size, size).tril()] * branches).bool()
    return torch.cat([torch.ones(branches * size, length, dtype=torch.bool), own], 1)


def _mask(seen: Tensor, model: Any) -> Tensor:
    """What is added to the attention: nothing where a token is seen, else the lowest number."""
    mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(model.dtype).min)
    return mask.to(model.device, model.dtype)
