"""Thin bridges into other libraries; each module imports its library, this package none.

`recneg.adapters.torch` draws negatives inside a PyTorch ``DataLoader``.
"""

__all__: list[str] = []
