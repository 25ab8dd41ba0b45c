"""``python -m recneg`` is the command ``recneg``."""

from recneg.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
