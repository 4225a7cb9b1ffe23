"""The city list that a school sends, indexed by the ways a city may be spelt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rapidfuzz import fuzz, process

from pipeline import definitions
from pipeline.rules.letters import LONGEST_CODE, fold


@dataclass(frozen=True)
class Cities:
    """The city list, indexed by case-folded spelling; `Cities()` is an empty list, against which nothing is flagged.

    spellings     every name and alias -> the cities it may mean
    states        city -> the states it lies in
    state_names   every state name and code -> the state
    alike         a text more alike to one spelling than this, 0 to 100, means it
    """

    spellings: Mapping[str, set[str]] = field(default_factory=dict)
    states: Mapping[str, set[str]] = field(default_factory=dict)
    state_names: Mapping[str, str] = field(default_factory=dict)
    alike: int = field(default_factory=lambda: definitions.CITIES.alike)
    _near: dict[str, str | None] = field(default_factory=dict, compare=False, repr=False)  # fuzzy answers, once each

    @staticmethod
    def of(rows: Iterable[tuple[str, str | None, str | None, Iterable[str] | None]]) -> Cities:
        """From (city_name, state_name, state_code, aliases); a name wins over the same text as another city's alias."""
        rows = [row for row in rows if row[0]]
        spellings: dict[str, set[str]] = {}
        states: dict[str, set[str]] = {}
        for city, state, _, aliases in rows:
            states.setdefault(city, set()).update([state] if state else [])
            for alias in filter(fold, (alias for alias in aliases or () if len(alias) <= LONGEST_CODE)):
                spellings.setdefault(fold(alias), set()).add(city)
        spellings.update({fold(city): {city} for city, *_ in rows})
        codes = {fold(code): state for _, state, code, _ in rows if state and code}
        names = {fold(state): state for _, state, *_ in rows if state}
        return Cities(spellings, states, codes | names)

    def find(self, text: str) -> str | None:
        """The city that a text means: by name or alias, else the one most alike, if it is one."""
        key = fold(text)
        exact = self.spellings.get(key)
        if exact:
            return next(iter(exact)) if len(exact) == 1 else None
        if key not in self._near:
            self._near[key] = self._most_alike(key)
        return self._near[key]

    def _most_alike(self, key: str) -> str | None:
        found = process.extract(key, list(self.spellings), scorer=fuzz.ratio, score_cutoff=self.alike, limit=None)
        best = max((score for _, score, _ in found), default=0)
        if best <= self.alike:
            return None
        cities = set().union(*(self.spellings[spelling] for spelling, score, _ in found if score == best))
        return next(iter(cities)) if len(cities) == 1 else None

    def contradict(self, city: str | None, state: str | None) -> bool:
        """Both are known and the city lies elsewhere."""
        known = self.states.get(city or "", set())
        return bool(known) and state is not None and fold(state) in self.state_names and state not in known
