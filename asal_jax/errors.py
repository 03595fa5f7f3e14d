"""The one error for a user's mistake; light, so that a misspelt field is told before anything heavy loads."""


class InputError(ValueError):
  """A user's mistake, told in one line: which field or file, what was found, what is allowed, what to do."""
