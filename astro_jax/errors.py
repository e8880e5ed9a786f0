"""Typed errors of the boundary: config, map, message, artifact, command line.  [host]"""


class InputError(ValueError):
    """Something handed in from outside is unusable.

    Attributes:
      field: what it is called where the user wrote it, for example ``"resolution"``.
      value: what was found.
      expected: what would have been accepted.
      where: the file (and line) it came from, or an empty string.
    """

    def __init__(self, field: str, value: object, expected: str, where: str = ""):
        self.field = field
        self.value = value
        self.expected = expected
        self.where = where
        place = f"{where}: " if where else ""
        shown = value if isinstance(value, str) else repr(value)
        shown = shown if len(shown) <= 120 else shown[:117] + "..."
        super().__init__(f"{place}{field} is {shown}; expected {expected}")

    def __reduce__(self):
        """Whole again on the other side of a process's end."""
        return type(self), (self.field, self.value, self.expected, self.where)


class UnreachableError(InputError):
    """There is no way from the start to the goal for this robot."""


class MessageError(InputError):
    """A message from a sensor cannot be used; whoever was to take it stays as they were."""


class ClockError(MessageError):
    """A clock has jumped back: nothing that was stamped before can be compared any more."""


class ShapeError(InputError):
    """An armed program got an array of another shape or type than it was compiled for."""


class StorageError(InputError):
    """A store cannot be opened, read or written; what was acknowledged before is intact."""
