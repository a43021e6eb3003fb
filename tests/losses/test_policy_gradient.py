"""Rewards into losses: values by hand, and gradients whose mean is the true one."""

from __future__ import annotations

import torch

from gantlet.losses.policy_gradient import leave_one_out, normalised_ratio, reinforce


def test_reinforce_by_hand() -> None:
    log_p = torch.tensor([[-1.0, -2.0], [-3.0, 0.0]])
    reward = torch.tensor([[0.5, 1.0], [2.0, 4.0]])
    assert reinforce(log_p, reward).tolist() == [2.5, 6.0]
    assert reinforce(log_p, reward, 1.0).tolist() == [-0.5, 3.0]


def test_rewards_and_baselines_are_constants() -> None:
    log_p, reward = torch.zeros(2, 3, requires_grad=True), torch.ones(2, 3, requires_grad=True)
    reinforce(log_p, reward, reward / 2).sum().backward()
    assert reward.grad is None
    assert log_p.grad is not None
    assert log_p.grad.tolist() == [[-0.5] * 3] * 2


def test_leave_one_out_by_hand() -> None:
    reward = torch.tensor([[1.0, 2.0], [3.0, 100.0], [5.0, 6.0]])
    there = torch.tensor([[True, True], [True, False], [True, True]])
    assert leave_one_out(reward, there).tolist() == [[4.0, 6.0], [3.0, 4.0], [2.0, 2.0]]
    assert leave_one_out(reward[:1], there[:1]).tolist() == [[0.0, 0.0]]


def test_the_estimate_has_the_true_gradient_as_its_mean_and_less_noise_with_a_baseline() -> None:
    """E over a coin with p = sigmoid(a) of reward(side): d/da = p (1 - p) (r1 - r0)."""
    torch.manual_seed(0)
    rewards, p = torch.tensor([10.0, 11.0]), torch.sigmoid(torch.tensor(0.3))
    found: dict[bool, torch.Tensor] = {}
    for baseline in (False, True):
        estimates = []
        for _ in range(1500):
            a = torch.tensor(0.3, requires_grad=True)
            side = (torch.rand(8, 1) < p).long()
            log_p = torch.stack([torch.nn.functional.logsigmoid(-a), torch.nn.functional.logsigmoid(a)])[side]
            reward = rewards[side]
            less = leave_one_out(reward, side >= 0) if baseline else 0.0
            reinforce(log_p, reward, less).mean().backward()
            assert a.grad is not None
            estimates.append(-a.grad)
        found[baseline] = torch.stack(estimates)
    true = float(p * (1 - p))
    for each in found.values():
        assert abs(float(each.mean()) - true) < 4 * float(each.std()) / 1500**0.5
    assert float(found[True].std()) < 0.2 * float(found[False].std())


def test_normalised_ratio_by_hand() -> None:
    """D = .5, .75, .8: D / (1 - D) = 1, 3, 4."""
    logits = torch.tensor([0.5, 0.75, 0.8]).logit()
    torch.testing.assert_close(normalised_ratio(logits), 3 * torch.tensor([1.0, 3.0, 4.0]) / 8)
