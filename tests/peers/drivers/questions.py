"""What the drivers in Python share: a line of JSON in for each call, a line of JSON out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any


def answer_all(prepare: Callable[[dict[str, str]], Mapping[str, Callable[..., Any]]]) -> None:
    """Answers until there are no more questions.

    Args:
        prepare: gets the connection and returns the calls that may be asked for, by name.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what packages print is no answer
    calls = prepare(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        question = json.loads(line)
        try:
            made = calls[question["call"]](*question["arguments"], **question["options"])
            answer: dict[str, Any] = {"result": made}
        except Exception as error:
            answer = {"error": {"kind": type(error).__name__, "message": str(error)}}
            answer["error"]["status"] = getattr(error, "status_code", None)
        answers.write(json.dumps(answer, default=str) + "\n")
        answers.flush()
