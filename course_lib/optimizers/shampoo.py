"""Shampoo: a matrix is scaled from both sides, by what its rows and what its columns have seen.

    L ← L + matrix(g) @ matrix(g)ᵀ
    R ← R + matrix(g)ᵀ @ matrix(g)
    u ← root(L, epsilon) @ matrix(g) @ root(R, epsilon)
    w ← w − learning_rate · u

root is the inverse fourth root of a symmetric matrix: L to the power −1/4. L and R start at epsilon
times the identity. Every variable is seen as a matrix with its last axis as columns: a vector is
one row, a number 1 x 1, and the first axes of a larger array count as one.

Gupta, Koren and Singer (2018), Shampoo: Preconditioned Stochastic Tensor Optimization, Algorithm 1.
NB: the paper's Algorithm 2, for arrays of k axes, keeps k such matrices to the power −1/(2k).
NB: widespread code for PyTorch takes −1/k instead. For a matrix that is −1/2, which cancels the
    size of the sums L and R twice over. Morwani et al. (2024), A New Perspective on Shampoo's
    Preconditioner, defend −1/2 with another scale.
NB: eigh is off by rounding, and compiled by XLA by more. What it leaves beside the diagonal counts
    in first order. An eigenvalue below epsilon, where none can be, is lifted.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def matrix(x, of=np):
    """`x` as a matrix with its last axis as columns. `of` is the library to compute with."""
    return of.reshape(x, (-1, (1, *x.shape)[-1]))


def root(a, epsilon, of=np):
    """`a` to the power −1/4, for a symmetric matrix with no eigenvalue below epsilon."""
    values, vectors = of.linalg.eigh(a)
    values = of.where(values > epsilon, values, epsilon)
    rest = of.transpose(vectors) @ a @ vectors - of.diag(values)
    rest = of.where(of.abs(rest) < 0.1 * (values + values[:, None]), rest, 0)
    p, q = values**0.25, values[:, None] ** 0.25
    slopes = -1 / (p * q * (p + q) * (p**2 + q**2))
    return vectors @ (of.diag(1 / p) + slopes * rest) @ of.transpose(vectors)


def init(w, *, epsilon):
    rows, columns = matrix(w).shape
    return {
        "L": epsilon * np.eye(rows, dtype=w.dtype),
        "R": epsilon * np.eye(columns, dtype=w.dtype),
    }


def step(w, g, state, *, learning_rate, epsilon):
    L, R = state["L"], state["R"]
    L = L + matrix(g) @ matrix(g).T
    R = R + matrix(g).T @ matrix(g)
    u = root(L, epsilon) @ matrix(g) @ root(R, epsilon)
    w = w - learning_rate * np.reshape(u, w.shape)
    return w, {"L": L, "R": R}


@keras.saving.register_keras_serializable("course_lib")
class Shampoo(keras.Optimizer):
    """Shampoo: a matrix is scaled from both sides, by what its rows and what its columns have seen.

        L ← L + matrix(g) @ matrix(g)ᵀ
        R ← R + matrix(g)ᵀ @ matrix(g)
        u ← root(L, epsilon) @ matrix(g) @ root(R, epsilon)
        w ← w − learning_rate · u

    Gupta, Koren and Singer (2018), Shampoo: Preconditioned Stochastic Tensor Optimization,
    Algorithm 1.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.1.
        epsilon: Where L and R start, times the identity. A number, 0 or more. Defaults to 1e-4.
        **kwargs: What every Keras optimizer takes, such as `weight_decay` or `clipnorm`.
    """

    def __init__(self, learning_rate: LearningRate = 0.1, epsilon: float = 1e-4, **kwargs: Any):
        check_hyperparameters(learning_rate=learning_rate, epsilon=epsilon)
        super().__init__(learning_rate, **kwargs)
        self.epsilon = epsilon

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.L = [self._slot(variable, "L", 0) for variable in variables]
        self.R = [self._slot(variable, "R", 1) for variable in variables]

    def _slot(self, variable, name, axis):
        size = matrix(np.broadcast_to(0.0, variable.shape)).shape[axis]
        return self.add_variable(
            shape=(size, size),
            initializer=keras.initializers.Identity(self.epsilon),
            dtype=variable.dtype,
            name=f"{variable.path.replace('/', '_')}_{name}",
        )

    def update_step(self, gradient, variable, learning_rate):
        i = self._get_variable_index(variable)
        w, L, R = variable, self.L[i], self.R[i]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        self.assign(L, L + matrix(g, ops) @ ops.transpose(matrix(g, ops)))
        self.assign(R, R + ops.transpose(matrix(g, ops)) @ matrix(g, ops))
        u = root(L, self.epsilon, ops) @ matrix(g, ops) @ root(R, self.epsilon, ops)
        self.assign(w, w - learning_rate * ops.reshape(u, w.shape))

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
