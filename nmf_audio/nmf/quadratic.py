"""Quadratic programs of non-negative least squares, one for each column.

Minimise, over X >= 0 of shape (n_components, n_columns), ::

    sum_t  x_t.T @ G_t @ x_t / 2 - c_t.T @ x_t

One side of a Euclidean factorization, V ~= X.T @ A, has G = A @ A.T and c = A @ v; a penalty l1 * x lowers c by l1,
and l2 * x**2 / 2 raises the diagonal of G by l2. With weights m of the entries G_t is A @ diag(m_t) @ A.T, which
differs from column to column.
"""

from dataclasses import dataclass

import numpy as np

from nmf_audio._types import AnyArray

__all__ = ["Quadratic", "least_squares"]


@dataclass(frozen=True)
class Quadratic:
    """The matrices of the programs."""

    G: AnyArray
    """(n_components, n_components) for all columns, or (n_columns, n_components, n_components)."""
    C: AnyArray
    """(n_components, n_columns)."""

    def product(self, X: AnyArray) -> AnyArray:
        """Return G_t @ x_t for each column, of the shape of X."""
        GX: AnyArray = self.G @ X if self.G.ndim == 2 else (self.G @ X.T[:, :, None])[:, :, 0].T
        return GX

    def gradient(self, X: AnyArray) -> AnyArray:
        """Return the gradient at X."""
        gradient: AnyArray = self.product(X) - self.C
        return gradient

    def cost(self, X: AnyArray, GX: AnyArray) -> AnyArray:
        """Return the value of each column's program, from X and its product."""
        cost: AnyArray = np.einsum("kt,kt->t", X, GX / 2 - self.C)
        return cost

    def diagonal(self) -> AnyArray:
        """Return the diagonals of G as columns, (n_components, 1 or n_columns)."""
        diagonal: AnyArray = np.diagonal(self.G, axis1=-2, axis2=-1)
        return diagonal[:, None] if self.G.ndim == 2 else diagonal.T

    def columns(self, chosen: AnyArray) -> "Quadratic":
        """Return the programs of some columns."""
        return Quadratic(self.G if self.G.ndim == 2 else self.G[chosen], self.C[:, chosen])

    def free_rows(self, X: AnyArray, free: AnyArray) -> "Quadratic":
        """Return the programs of the free rows of X, with the others fixed."""
        fixed = X.copy()
        fixed[free] = 0
        return Quadratic(self.G[..., free[:, None], free], (self.C - self.product(fixed))[free])

    def residual(self, X: AnyArray) -> float:
        """Return the largest step to a minimum along one axis, relative to the largest entry: 0 if optimal."""
        diagonal = self.diagonal()
        step = np.divide(self.gradient(X), diagonal, out=np.zeros_like(X), where=diagonal > 0)
        largest = float(X.max(initial=0))
        return float(np.abs(X - np.maximum(X - step, 0)).max(initial=0)) / (largest if largest > 0 else 1.0)


def least_squares(V: AnyArray, M: AnyArray | None, A: AnyArray, l1: AnyArray, l2: AnyArray) -> Quadratic:
    """Return the programs of min sum M * (V - X.T @ A)**2 / 2 + l1 @ X + l2 @ X**2 / 2.

    Takes V and weights M (n_columns, n), A (n_components, n), penalties of each component.
    """
    if M is None:
        # in this order C is as coordinate descent takes it, and its product the faster one
        G, C = A @ A.T, (V @ A.T).T
    else:
        G, C = (A * M[:, None, :]) @ A.T, ((M * V) @ A.T).T
    if l2.any():
        G = G + (np.eye(len(A)) * l2).astype(G.dtype)
    return Quadratic(G, C - l1[:, None] if l1.any() else C)
