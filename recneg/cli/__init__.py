"""The command line: ``recneg compare``, ``train``, ``evaluate``, ``recommend``, ``sample``, ...

Parsing and help need none of numba, torch, polars and matplotlib; a command imports what it uses.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; exit with 2 for bad arguments or data, 1 for data not at hand, 130 for Ctrl-C.

    Whatever a user can cause ends in one line on standard error, never in a traceback.
    """
    from cyclopts import CycloptsError

    from recneg.cli.app import app
    from recneg.errors import DataUnavailableError, IntegrityError, RecnegError

    try:
        app(
            sys.argv[1:] if arguments is None else arguments,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except CycloptsError as error:
        _fail(_one_line(str(error)) + " (see recneg COMMAND --help)", 2)
    except (DataUnavailableError, IntegrityError) as error:
        _fail(str(error), 1)
    except BrokenPipeError:  # the reader has gone: `recneg datasets | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (RecnegError, ValueError, TypeError, OSError, FloatingPointError) as error:
        _fail(_with_options(_one_line(str(error))), 2)
    except KeyboardInterrupt:
        _fail("interrupted" + _way_on(sys.argv[1:] if arguments is None else list(arguments)), 130)


def _way_on(arguments: list[str]) -> str:
    """Say what an interrupted training has left."""
    if arguments[:1] != ["train"]:
        return ""
    words = [word for each in arguments for word in each.split("=", 1)]
    if "--checkpoint" not in words[:-1]:
        return "; nothing is kept (--checkpoint FILE keeps what is trained)"
    path = words[words.index("--checkpoint") + 1]
    if os.path.exists(path):
        return f"; the same command goes on after the last epoch that is in {path}"
    return f"; nothing is kept yet: {path} is written at the first evaluation"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _with_options(text: str) -> str:
    """Write the arguments of functions that an error names as the options that they are here."""
    text = re.sub(r"\b(ids|exhausted|patience|weight|timestamp)='?(\w+)'?", _option, text)
    text = re.sub(
        r"(no column looks like an? (\w+) .*); name one of", r"\1; name with --\2 one of", text
    )
    text = text.replace("the data have none", "the data have none (--timestamp names a file's)")
    return text.replace("or None for", "or none for")


def _option(argument: re.Match[str]) -> str:
    name, value = argument.groups()
    return f"--{name} {'none' if value in ('None', 'False') else value}"


def _fail(message: str, status: int) -> None:
    print(f"recneg: {message}", file=sys.stderr)
    raise SystemExit(status)
