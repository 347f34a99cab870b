"""What an artist's prompt may not lose: its own words, literally and first, and what they settle.

Refiners write only the clause behind them.
"""

from __future__ import annotations

from .cues import FAMILIES, named_cues


def with_clause(artist_prompt: str, clause: str) -> str:
    """The artist's prompt, literally, followed by an affect clause."""
    artist_prompt, clause = artist_prompt.strip(), clause.strip(" ,.;")
    if not clause:
        return artist_prompt
    return f"{artist_prompt.rstrip(' ,.;')}, {clause}"


def clause_in(prompt: str, artist_prompt: str) -> str:
    """What follows the artist's words in a prompt; empty where it does not begin with them."""
    start = artist_prompt.strip().rstrip(" ,.;")
    return prompt.strip().removeprefix(start).strip(" ,.;") if prompt.startswith(start) else ""


def phrases_in(clause: str) -> list[str]:
    """The phrases of a clause, parted by commas of any script."""
    for mark in "，、;；\n":
        clause = clause.replace(mark, ",")
    return [phrase for part in clause.split(",") if (phrase := " ".join(part.split()).strip(" ."))]


def settled_families(artist_prompt: str) -> set[str]:
    """Families of cues on which the artist's own words have decided; no refiner changes them."""
    return {level.family for level in named_cues(artist_prompt) if level.phrases}


def fitting_clause(clause: str, artist_prompt: str, max_words: int) -> str:
    """The clause without repeats, without what contradicts the artist, and not too long.

    A phrase of the cue table is dropped when the artist's own words settle its family, or when an
    earlier phrase did.
    """
    settled = settled_families(artist_prompt)
    kept: list[str] = []
    for phrase in (part.strip(" .;") for part in clause.split(",")):
        family = _family_of(phrase)
        words = sum(len(each.split()) for each in (*kept, phrase))
        if not phrase or phrase in kept or family in settled or words > max_words:
            continue
        if family is not None:
            settled.add(family)
        kept.append(phrase)
    return ", ".join(kept)


def _family_of(phrase: str) -> str | None:
    for family, levels in FAMILIES.items():
        if any(phrase.lower() in (*level.phrases, *level.also) for level in levels):
            return family
    return None
