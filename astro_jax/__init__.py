"""Differentiable trajectory optimization for home robots, in JAX."""

__version__ = "0.1.0"
