"""The supervised start teaches the adapter, and nothing else, what an emotion looks like."""

import torch

from training.families.embedded import EmbeddedFamily
from training.rl.adapter_start import drawn_pairs, flow_loss
from training.rl.policy import Policy
from training.settings.files import load_config


def test_a_new_adapter_learns_and_the_generator_stays() -> None:
    config = load_config(None, ["stage=adapter", "optim.micro_batch=6", "model.lora_rank=1"])
    family = EmbeddedFamily()
    for layer in (family.adapter.token_out, family.adapter.pooled_out):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    policy = Policy(family, config.model)
    pairs = drawn_pairs(config, family, count=6)
    frozen = {k: v.clone() for k, v in family.transformer.state_dict().items()}
    optimizer = torch.optim.AdamW(policy.adapter.parameters(), lr=3e-3)
    losses = []
    for _ in range(8):
        loss = flow_loss(policy, pairs, config, step=0)  # the same noise each time
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 1e-3
    assert all(torch.equal(v, frozen[k]) for k, v in family.transformer.state_dict().items())
