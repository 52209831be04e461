# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tree of errors: what is raised on purpose. Anything else that is raised is a defect."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


class SluiceError(Exception):
    """The root; nobody raises it itself."""


class UserError(SluiceError):
    """Bad input or a bad surrounding: one sentence that names the setting, what is wrong, what to do.

    Modules hand its text to `fail_json` as it is.
    """


class DokployError(UserError):
    """Dokploy said no.

    Attributes:
        status: HTTP status, or None where no answer came.
        temporary: The same request may succeed later.
        said: The server's own reason, in one line.
    """

    def __init__(self, message: str, *, status: int | None = None, temporary: bool = False, said: str = "") -> None:
        super().__init__(message)
        self.said = said or message
        self.status = status
        self.temporary = temporary


class MissingProcedureError(DokployError):
    """The server does not know the procedure: it is older than what this collection was written for."""


class DeploymentFailedError(UserError):
    """A deployment ended badly; `deployment_id` leads to its log, empty where it never got one."""

    def __init__(self, message: str, deployment_id: str = "") -> None:
        super().__init__(message)
        self.deployment_id = deployment_id


class RolloutError(UserError):
    """A deployment that is not to be trusted; `result` is what the module returns beside the message."""

    def __init__(self, message: str, result: dict[str, Any]) -> None:
        super().__init__(message)
        self.result = result


class StepError(SluiceError):
    """A step of a release failed: what is done so far is to be undone."""

    def __init__(self, cause: str, log: str = "", advice: str = "") -> None:
        super().__init__(cause)
        self.step = ""
        self.cause = cause
        self.log = log
        self.advice = advice


class EngineError(SluiceError):
    """A command of the engine failed; the text is what it said."""


class TooLongError(EngineError):
    """A command was ended; with what it had said until then."""

    def __init__(self, command: str, timeout: float, output: str = "") -> None:
        super().__init__(f"{command} did not end within {timeout:g} s")
        self.output = output


class FasterError(EngineError):
    """Somebody else wrote, changed or removed it first."""


class DockerError(SluiceError):
    """The engine said no to a question; the text is its own."""


class EdgeError(SluiceError):
    """The edge did not switch, or did not say whether it did."""


class WireError(SluiceError):
    """No answer of a registry, or none that can be used; the text says which, as the end of a sentence."""


class TrustError(WireError):
    """The certificate is not trusted."""


class NameServerError(SluiceError):
    """No name server answers, or none with what can be read; the text says why."""


class PaperError(SluiceError):
    """A paper of an image is not what it must be; the text says what is wrong, as the end of a sentence."""


class ForeignError(PaperError):
    """A manifest is that of an artifact which is no image."""


class NotTarError(SluiceError):
    """The bytes are not a tar archive."""


class ShortStreamError(SluiceError):
    """The stream ended in the middle of something."""


class PatternRefusedError(SluiceError):
    """libhs refuses a pattern; index names it, or is -1."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


class PatternNotLinearError(SluiceError):
    """The pattern uses something that a linear-time search cannot do."""


class NotUnpackedError(SluiceError):
    """A log is packed in a way that cannot be undone here."""


class BrowserError(SluiceError):
    """The browser does not start, does not answer, or refuses; the message is its own."""


class Mistakes(list[str]):
    """A user's mistakes, put down so that one answer names them all."""

    def attempt(self, read: Callable[[], T], instead: T) -> T:
        """What `read` answers; its mistakes are put down, and `instead` answered."""
        try:
            return read()
        except UserError as error:
            self.extend(str(error).splitlines())
        return instead

    def note(self, look: Callable[[], object]) -> None:
        """Put down what is wrong where only that is asked."""
        self.attempt(look, None)

    def tell(self) -> None:
        """
        Raises:
            UserError: All mistakes, a line each.
        """
        if self:
            raise UserError("\n".join(dict.fromkeys(self)))


@contextlib.contextmanager
def one_message(module: Any) -> Iterator[None]:
    """Whatever trouble is expected inside ends the module with one message, without a traceback."""
    try:
        yield
    except UserError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        # A write to a full disk, for one, names no file.
        where = f"{error.filename}: " if error.filename else ""
        module.fail_json(msg=f"{where}{error.strerror or error}")


def sentence(text: object) -> str:
    """A text or an error with one dot at its end, whether it had one or none."""
    return f"{str(text).rstrip('.')}."


def troubles_of(action: Callable[[], Iterable[str] | None], about: str = "") -> list[str]:
    """What an action has to tell, a line each; an expected trouble that ends it is one of them, so that others go on.

    Args:
        action: What is done.
        about: What stands before that trouble and a colon.
    """
    try:
        return list(action() or ())
    except (UserError, OSError) as error:
        return [sentence(f"{about}: {error}" if about else error)]


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint such as ` (did you mean 'port'?)` for a misspelt word; empty when nothing is near."""
    # Slow to import, and seldom needed.
    import difflib

    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {match[0]!r}?)" if match else ""
