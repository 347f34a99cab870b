"""Everything that can go wrong for a user, as one tree.

```text
EmoFeedbackError
├── ConfigError (ValueError)              a setting, a prompt or a number out of range
├── ImageError (ValueError)               pictures that cannot be read
├── LoopError                             a feedback loop that is wired or used wrongly
├── ScorerError                           a scorer that cannot be loaded or asked
│   └── ScorerAnswerError                 it answered, but not with a reading
├── CheckpointError                       a weight file that is missing, damaged or foreign
└── MissingDependencyError (ImportError)  an optional package is not installed
```

Each takes one argument, the message: what was wrong, with the value, and what to do.
"""

from __future__ import annotations


class EmoFeedbackError(Exception):
    """Base of every error this project raises on purpose."""


class ConfigError(EmoFeedbackError, ValueError):
    """A setting, a prompt or a number that cannot be used."""


class ImageError(EmoFeedbackError, ValueError):
    """An image batch that cannot be scored or shown."""


class LoopError(EmoFeedbackError):
    """A feedback loop that is wired or used wrongly."""


class ScorerError(EmoFeedbackError):
    """A scorer that cannot be loaded or asked."""


class ScorerAnswerError(ScorerError):
    """A scorer answered, but the answer holds no usable reading."""


class CheckpointError(EmoFeedbackError):
    """A weight file that is missing, damaged or of another kind."""


class MissingDependencyError(EmoFeedbackError, ImportError):
    """An optional package is needed and not installed."""
