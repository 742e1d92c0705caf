"""Every kind of known answer, computed again from its inputs with the functions that run live.

A kind maps inputs to named computations; each is done only when its answer is asked for.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from brain.vitals import calibration, discrete, gridworld, trend
from brain.vitals.dependence import gaussian_dependence, total_correlation_bias
from brain.vitals.gaussian import (
    Matrix,
    as_covariance,
    as_square,
    minimum_phi,
    phi_at,
    stationary_covariance,
    time_delayed_information,
)
from brain.vitals.perturbation import linear_dynamics, transition_moments

Inputs = Mapping[str, Any]
Computation = Callable[[], Any]
Kind = Callable[[Inputs], Mapping[str, Computation]]


def gaussian_var(inputs: Inputs) -> Mapping[str, Computation]:
    """x′ = A x + e, e ~ N(0, Q)."""
    transition, noise = as_square(inputs["A"], "A"), as_covariance(inputs["Q"], "Q")
    covariance = stationary_covariance(transition, noise)
    return {
        "tdmi": lambda: time_delayed_information(covariance, noise),
        "phi_g": lambda: phi_at(transition, covariance, noise, inputs["partition"]).nats,
        "phi_g_min": lambda: minimum_phi(transition, covariance, noise).nats,
        "cut": lambda: minimum_phi(transition, covariance, noise).cut,
        **_dependence(covariance),
    }


def gaussian(inputs: Inputs) -> Mapping[str, Computation]:
    """A correlation matrix."""
    return _dependence(as_square(inputs["R"], "R"))


def bias_of_total_correlation(inputs: Inputs) -> Mapping[str, Computation]:
    """Expected plug-in total correlation of n independent Gaussians over T samples."""
    return {"bias": lambda: total_correlation_bias(int(inputs["n"]), int(inputs["T"]))}


def perturbational_linear(inputs: Inputs) -> Mapping[str, Computation]:
    """A linear network under common input, nudged: the mean over seeds of the smallest Φ_G."""

    def smallest() -> float:
        values = []
        for seed in inputs["seeds"]:
            deviation, noise = nudge_linear_network(
                as_square(inputs["A"], "A"),
                num_steps=int(inputs["num_steps"]),
                common_input_ar=float(inputs["common_input_ar"]),
                noise_std=float(inputs["noise_std"]),
                seed=int(seed),
            )
            moments = transition_moments(deviation[None], noise[None])
            law = linear_dynamics(moments.gram.sum(0), moments.weight)
            values.append(minimum_phi(law.transition, law.covariance, law.noise).nats)
        return float(np.mean(values))

    return {"phi_g_min": smallest}


def nudge_linear_network(
    transition: Matrix, *, num_steps: int, common_input_ar: float, noise_std: float, seed: int
) -> tuple[Matrix, Matrix]:
    """Clean and nudged pass of x′ = A x + common input; Δ and ξ (num_steps, n), in units of the nudge."""
    generator = np.random.default_rng(seed)
    size = len(transition)
    noise = generator.normal(size=(num_steps, size))
    clean, nudged = np.zeros((num_steps, size)), np.zeros((num_steps, size))
    state, other, common = np.zeros(size), np.zeros(size), 0.0
    for step in range(num_steps):
        common = common_input_ar * common + float(generator.normal())
        state = transition @ state + common
        other = transition @ other + common + noise_std * noise[step]
        clean[step], nudged[step] = state, other
    return (nudged - clean) / noise_std, noise


def discrete_distribution(inputs: Inputs) -> Mapping[str, Computation]:
    """A joint distribution over tuples of symbols, written as text or as lists."""
    outcomes = [_outcome(outcome) for outcome in inputs["outcomes"]]
    found = discrete.discrete_dependence(outcomes, inputs["pmf"])
    return {
        **{
            f"{name}_bits": lambda value=value: value / discrete.NATS_PER_BIT for name, value in found.items()
        },
        **{name: lambda value=value: value for name, value in found.items()},
    }


def channel(inputs: Inputs) -> Mapping[str, Computation]:
    """Rows p(y | x)."""
    rows = inputs["W"]
    return _in_nats_and_bits(
        {
            "capacity": lambda: discrete.channel_capacity(rows),
            "mutual_information_uniform": lambda: discrete.mutual_information(rows),
        }
    )


def grid(inputs: Inputs) -> Mapping[str, Computation]:
    """Empowerment in bits at centre, middle of an edge and corner; agency of a uniform policy."""
    size = int(inputs["n"])
    transitions = gridworld.grid_transitions(size, float(inputs["slip"]), inputs["actions"])
    cells = {"center": size // 2 * size + size // 2, "edge": size // 2, "corner": 0}
    answers: dict[str, Computation] = {"agency_uniform": lambda: gridworld.uniform_agency(transitions)}
    for steps in (1, 2, 3):
        for place, cell in cells.items():
            answers[f"emp{steps}_{place}"] = partial(_empowerment_bits, transitions, cell, steps)
    return answers


def _empowerment_bits(transitions: Matrix, cell: int, num_steps: int) -> float:
    return gridworld.empowerment(transitions, cell, num_steps) / discrete.NATS_PER_BIT


def agency_given_state(inputs: Inputs) -> Mapping[str, Computation]:
    """A policy p(a | s) and what comes next: a rule in words or a table p(s′ | s, a)."""
    policy = np.asarray(inputs["p_action_given_state"], dtype=np.float64)
    if policy.ndim != 2:
        raise ValueError("p_action_given_state must be a table of states by actions")
    states, actions = policy.shape
    weights = inputs.get("p_state", np.full(states, 1.0 / states))
    return {
        "agency": lambda: discrete.conditional_agency(
            weights, policy, _outcome_table(inputs["p_next"], states, actions)
        )
    }


def markov_language(inputs: Inputs) -> Mapping[str, Computation]:
    """A speaker whose language is a Markov chain."""
    return {"agency": lambda: discrete.markov_agency(inputs["P"], int(inputs["k"]))}


def confidence_groups(inputs: Inputs) -> Mapping[str, Computation]:
    """Groups of [confidence, number right, number]."""
    sure: list[float] = []
    right: list[bool] = []
    for level, num_right, number in inputs["groups"]:
        if not 0 <= num_right <= number:
            raise ValueError(f"a group has {num_right} right of {number}")
        sure += [float(level)] * int(number)
        right += [index < num_right for index in range(int(number))]

    def auroc() -> float:
        found = calibration.type2_auroc(sure, right)
        return math.nan if found is None else found.area

    return {
        "ece15": lambda: calibration.expected_calibration_error(sure, right, num_bins=15),
        "brier": lambda: calibration.brier_score(sure, right),
        "auroc2": auroc,
        "ece_debiased": lambda: calibration.debiased_calibration_error(sure, right),
    }


def mann_kendall(inputs: Inputs) -> Mapping[str, Computation]:
    """A series."""
    test = trend.mann_kendall(inputs["x"])
    return {
        "S": lambda: test.s,
        "variance": lambda: test.variance,
        "z": lambda: test.z,
        "p": lambda: test.p,
        "hamed_rao_variance": lambda: test.correlated_variance,
        "hamed_rao_z": lambda: test.correlated_z,
        "hamed_rao_p": lambda: test.correlated_p,
        "theil_sen": lambda: trend.theil_sen(inputs["x"]),
    }


def page_hinkley(inputs: Inputs) -> Mapping[str, Computation]:
    """A series with the test's delta and threshold."""
    return {
        "alarm_index": lambda: trend.page_hinkley(
            inputs["x"], delta=float(inputs["delta"]), threshold=float(inputs["threshold"])
        )
    }


KINDS: Mapping[str, Kind] = {
    "gaussian_var": gaussian_var,
    "gaussian": gaussian,
    "total_correlation_bias": bias_of_total_correlation,
    "perturbational_linear": perturbational_linear,
    "discrete": discrete_distribution,
    "channel": channel,
    "gridworld": grid,
    "conditional_agency": agency_given_state,
    "markov_language": markov_language,
    "confidence": confidence_groups,
    "mann_kendall": mann_kendall,
    "page_hinkley": page_hinkley,
}


def _dependence(covariance: Matrix) -> Mapping[str, Computation]:
    return {
        "total_correlation": lambda: gaussian_dependence(covariance).total_correlation,
        "dual_total_correlation": lambda: gaussian_dependence(covariance).dual_total_correlation,
        "o_information": lambda: gaussian_dependence(covariance).o_information,
        "effective_dependence": lambda: gaussian_dependence(covariance).effective,
    }


def _in_nats_and_bits(answers: Mapping[str, Callable[[], float]]) -> Mapping[str, Computation]:
    bits = {
        f"{name}_bits": lambda answer=answer: answer() / discrete.NATS_PER_BIT
        for name, answer in answers.items()
    }
    return {**answers, **bits}


def _outcome(written: Any) -> Sequence[object]:
    """A tuple of symbols from "('0', '1')", "01" or a list."""
    if not isinstance(written, str):
        return list(written)
    try:
        parsed = ast.literal_eval(written)
    except (ValueError, SyntaxError):
        return list(written)
    return list(parsed) if isinstance(parsed, (tuple, list)) else list(written)


def _outcome_table(rule: Any, states: int, actions: int) -> Matrix:
    """p(o | s, a), (S, A, O), from a rule such as "next = state xor action" or a table."""
    if not isinstance(rule, str):
        table = np.asarray(rule, dtype=np.float64)
        if table.shape[:2] != (states, actions):
            raise ValueError(
                f"p_next has shape {table.shape}, wanted {states} states by {actions} actions by outcomes"
            )
        return table
    rules: dict[str, Callable[[int, int], int]] = {
        "state": lambda state, action: state,  # noqa: ARG005
        "action": lambda state, action: action,  # noqa: ARG005
        "state xor action": lambda state, action: state ^ action,
        "action xor state": lambda state, action: state ^ action,
        "state + action": lambda state, action: state + action,
        "constant": lambda state, action: 0,  # noqa: ARG005
    }
    name = " ".join(rule.partition("=")[2].split())
    if name not in rules:
        raise ValueError(
            f"unknown rule {rule!r}; known: {', '.join(f'next = {known}' for known in rules)}, or a table"
        )
    table = np.zeros((states, actions, 2 * max(states, actions)))
    for state in range(states):
        for action in range(actions):
            table[state, action, rules[name](state, action)] = 1.0
    return table
