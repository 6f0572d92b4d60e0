"""Write galleries: golden files with the answers in many cases."""

from collections.abc import Sequence
from hashlib import sha256


def gallery(rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return each case with the names of its answers, and then each distinct answer once.

    A row is a case and its answers; an answer's text begins with a subject and a colon. The name of an
    answer is made from its text, so that a new row changes no other row.
    """
    lines = [" ".join([case, *map(_name, answers)]) for case, answers in rows]
    distinct = sorted({answer for _, answers in rows for answer in answers})
    return "\n".join([*lines, "", *(f"{_name(answer)}\n{answer.rstrip()}\n" for answer in distinct)])


def _name(answer: str) -> str:
    subject = " ".join(answer.partition(": ")[0].split())
    return f"[{subject} {sha256(answer.encode()).hexdigest()[:6]}]"
