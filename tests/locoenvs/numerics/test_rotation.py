"""Quaternions against rotation matrices."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kinematics import rotation
from locoenvs.numerics.rotation import (
    from_heading,
    heading,
    multiply,
    projected_gravity,
    rotate,
    rotate_inverse,
    wrap_to_pi,
)

DRAW = np.random.default_rng(0)
AXES = np.array([axis / np.linalg.norm(axis) for axis in DRAW.normal(size=(20, 3))])
ANGLES = DRAW.uniform(-math.pi, math.pi, 20)
QUATERNIONS = np.column_stack([np.cos(ANGLES / 2), AXES * np.sin(ANGLES / 2)[:, None]])
MATRICES = np.array([rotation(tuple(axis), angle) for axis, angle in zip(AXES, ANGLES)])
VECTORS = DRAW.normal(size=(20, 3))


def test_vectors_are_turned_as_by_the_matrix_and_back() -> None:
    np.testing.assert_allclose(rotate(QUATERNIONS, VECTORS), np.einsum("nij,nj->ni", MATRICES, VECTORS), atol=1e-12)
    inverse = np.einsum("nji,nj->ni", MATRICES, VECTORS)
    np.testing.assert_allclose(rotate_inverse(QUATERNIONS, VECTORS), inverse, atol=1e-12)


def test_gravity_is_down_in_the_world() -> None:
    np.testing.assert_allclose(projected_gravity(QUATERNIONS), -MATRICES[:, 2, :], atol=1e-12)
    assert projected_gravity(np.array([1.0, 0, 0, 0])).tolist() == [0, 0, -1]


def test_the_heading_is_that_of_the_forward_axis() -> None:
    np.testing.assert_allclose(heading(QUATERNIONS), np.arctan2(MATRICES[:, 1, 0], MATRICES[:, 0, 0]), atol=1e-12)


def test_a_level_base_has_the_heading_it_was_given() -> None:
    found = from_heading(ANGLES)
    np.testing.assert_allclose(heading(found), ANGLES, atol=1e-12)
    np.testing.assert_allclose(rotate(found, np.tile([0.0, 0, 1], (20, 1))), np.tile([0, 0, 1], (20, 1)), atol=1e-12)


@pytest.mark.parametrize(
    ("angle", "same"),
    [(0.5, 0.5), (-0.5, -0.5), (3.5, 3.5 - 2 * math.pi), (-3.5, 2 * math.pi - 3.5), (7.0, 7.0 - 2 * math.pi), (math.pi, -math.pi)],
)  # fmt: skip
def test_angles_are_wrapped_the_short_way(angle: float, same: float) -> None:
    assert wrap_to_pi(np.array(angle)) == pytest.approx(same)


def test_a_product_turns_by_the_second_first() -> None:
    draw = np.random.default_rng(4).normal(size=(2, 6, 4))
    first, second = draw / np.linalg.norm(draw, axis=-1, keepdims=True)
    vector = np.random.default_rng(5).normal(size=(6, 3))
    np.testing.assert_allclose(
        rotate(multiply(first, second), vector), rotate(first, rotate(second, vector)), atol=1e-12
    )
