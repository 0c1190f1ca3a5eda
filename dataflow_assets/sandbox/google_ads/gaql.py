"""GAQL, Google's query language: from text to its clauses. What the names in them mean is looked at elsewhere."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from dataflow_assets.sandbox.google_ads.errors import AdsError, bad_query, not_reproduced

Item = TypeVar("Item")

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
      | (?P<number>-?\d+(?:\.\d+)?(?![\w.]))
      | (?P<word>[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<symbol>!=|>=|<=|[=<>,()])
    )""",
    re.VERBOSE,
)
_COMPARISONS = frozenset({"=", "!=", ">", ">=", "<", "<="})
_NOT_REPRODUCED = frozenset({"LIKE", "CONTAINS", "REGEXP_MATCH"})
_FIELD = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+")
_PARAMETERS = frozenset({"include_drafts", "omit_unselected_resource_names"})


class Token(NamedTuple):
    """A piece of the text; `kind` is string, number, word or symbol, and strings have lost their quotes."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One part of WHERE. BETWEEN has two values, the list operators any number, IS NULL and IS NOT NULL none."""

    field: str
    operator: str
    values: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """The clauses. `order` has field names and whether each is descending."""

    fields: tuple[str, ...]
    resource: str
    conditions: tuple[Condition, ...] = ()
    order: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None
    parameters: frozenset[str] = field(default_factory=frozenset)


def parse(text: str) -> Query:
    """Take a query apart. Raises AdsError with a `queryError`."""
    return _Parser(_tokens(text)).query()


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unreadable(text[position:].lstrip())
        kind = str(match.lastgroup)
        found = match[kind]
        tokens.append(Token(kind, re.sub(r"\\(.)", r"\1", found[1:-1]) if kind == "string" else found))
        position = match.end()
    return tokens


def _unreadable(rest: str) -> AdsError:
    if rest[0] in "'\"":
        line = rest[1:].split("\n", 1)[0]
        if rest[0] in rest[1 + len(line) :]:
            return bad_query("PROHIBITED_NEWLINE_IN_STRING", "A string of the query has a line break in it.")
        return bad_query("STRING_NOT_TERMINATED", f"A string of the query does not end: {line[:30]!r}.")
    if rest[0].isdigit() or rest[0] == "-":
        return bad_query("BAD_NUMBER", f"Error in query: {rest.split(maxsplit=1)[0][:30]!r} is no number.")
    return bad_query("BAD_SYMBOL", f"Error in query: unexpected symbol {rest[0]!r}.")


class _Parser:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def query(self) -> Query:
        if not self._word("SELECT"):
            raise bad_query("EXPECTED_SELECT", "Error in query: expected SELECT at its beginning.")
        fields = self._list(self._field)
        if not self._word("FROM"):
            raise bad_query("EXPECTED_FROM", f"Error in query: expected FROM, not {self._here()}.")
        resource = self._take("word").text
        conditions = self._separated(self._condition) if self._word("WHERE") else []
        order = self._order() if self._word("ORDER") else []
        limit = self._limit() if self._word("LIMIT") else None
        parameters = self._list(self._parameter) if self._word("PARAMETERS") else []
        if self._next < len(self._tokens):
            raise bad_query("UNEXPECTED_INPUT", f"Error in query: unexpected input {self._here()}.")
        return Query(
            tuple(dict.fromkeys(fields)),
            resource,
            tuple(conditions),
            tuple(order),
            limit,
            frozenset(name for name, on in parameters if on),
        )

    def _peek(self) -> Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _here(self) -> str:
        token = self._peek()
        return repr(token.text) if token else "the end of the query"

    def _word(self, *words: str) -> bool:
        """Step over these keywords when they come next."""
        ahead = self._tokens[self._next : self._next + len(words)]
        if [(token.kind, token.text.upper()) for token in ahead] != [("word", word) for word in words]:
            return False
        self._next += len(words)
        return True

    def _symbol(self, text: str) -> bool:
        if self._peek() != Token("symbol", text):
            return False
        self._next += 1
        return True

    def _take(self, *kinds: str) -> Token:
        token = self._peek()
        if token is None:
            raise bad_query("UNEXPECTED_END_OF_QUERY", "Error in query: it ends too early.")
        if token.kind not in kinds:
            raise bad_query("UNEXPECTED_INPUT", f"Error in query: unexpected input {token.text!r}.")
        self._next += 1
        return token

    def _list(self, item: Callable[[], Item]) -> list[Item]:
        found = [item()]
        while self._symbol(","):
            found.append(item())
        return found

    def _separated(self, item: Callable[[], Condition]) -> list[Condition]:
        found = [item()]
        while self._word("AND"):
            found.append(item())
        if self._word("OR"):
            raise bad_query("UNEXPECTED_INPUT", "Error in query: conditions are joined by AND only.")
        return found

    def _field(self) -> str:
        name = self._take("word").text
        if not _FIELD.fullmatch(name):
            raise bad_query("BAD_FIELD_NAME", f"Error in query: {name!r} is no field name.")
        return name

    def _order(self) -> list[tuple[str, bool]]:
        if not self._word("BY"):
            raise bad_query("EXPECTED_BY", f"Error in query: expected BY after ORDER, not {self._here()}.")
        return self._list(self._ordering)

    def _ordering(self) -> tuple[str, bool]:
        name = self._field()
        descending = self._word("DESC")
        if not descending:
            self._word("ASC")
        return name, descending

    def _limit(self) -> int:
        token = self._take("number", "word", "string")
        if token.kind != "number" or "." in token.text:
            raise bad_query("BAD_LIMIT_VALUE", f"Error in query: {token.text!r} is no limit.")
        if int(token.text) < 1:
            raise bad_query("LIMIT_VALUE_TOO_LOW", f"Error in query: the limit {token.text} is too low.")
        return int(token.text)

    def _parameter(self) -> tuple[str, bool]:
        name = self._take("word").text
        if name not in _PARAMETERS:
            raise bad_query("BAD_PARAMETER_NAME", f"Error in query: there is no parameter {name!r}.")
        if not self._symbol("="):
            raise bad_query("UNEXPECTED_INPUT", f"Error in query: expected = after {name}, not {self._here()}.")
        value = self._take("word", "string", "number").text
        if value not in ("true", "false"):
            raise bad_query("BAD_PARAMETER_VALUE", f"Error in query: {name} is true or false, not {value!r}.")
        return name, value == "true"

    def _condition(self) -> Condition:
        name = self._field()
        operator = self._operator()
        if operator in ("IS NULL", "IS NOT NULL"):
            return Condition(name, operator, ())
        if operator in ("IN", "NOT IN"):
            return Condition(name, operator, self._values())
        if operator == "DURING":
            return Condition(name, operator, (self._take("word", "string", "number"),))
        if operator != "BETWEEN":
            return Condition(name, operator, (self._value(operator),))
        low = self._value(operator)
        if not self._word("AND"):
            raise bad_query("EXPECTED_AND", "Error in query: expected AND between the values of BETWEEN.")
        return Condition(name, operator, (low, self._value(operator)))

    def _operator(self) -> str:
        token = self._take("symbol", "word")
        text = token.text.upper()
        if text in _NOT_REPRODUCED or (text == "NOT" and any(self._word(word) for word in _NOT_REPRODUCED)):
            raise not_reproduced(f"the operator {text}")
        if text in _COMPARISONS or text in ("IN", "BETWEEN", "DURING"):
            return text
        if text == "NOT" and self._word("IN"):
            return "NOT IN"
        if text == "IS" and self._word("NULL"):
            return "IS NULL"
        if text == "IS" and self._word("NOT", "NULL"):
            return "IS NOT NULL"
        raise bad_query("BAD_OPERATOR", f"Error in query: {token.text!r} is no operator.")

    def _value(self, operator: str) -> Token:
        if self._peek() == Token("symbol", "("):
            raise bad_query("EXPECTED_SINGLE_VALUE", f"Error in query: {operator} takes a single value, not a list.")
        if operator == "BETWEEN" and (self._peek() is None or self._word("AND")):
            raise bad_query("EXPECTED_VALUE_WITH_BETWEEN_OPERATOR", "Error in query: BETWEEN takes two values.")
        return self._take("string", "number", "word")

    def _values(self) -> tuple[Token, ...]:
        if not self._symbol("("):
            raise bad_query("EXPECTED_LIST", f"Error in query: expected a list, not {self._here()}.")
        if self._symbol(")"):
            raise bad_query("PROHIBITED_EMPTY_LIST_IN_CONDITION", "Error in query: the list of a condition is empty.")
        values = self._list(lambda: self._take("string", "number", "word"))
        if not self._symbol(")"):
            raise bad_query("UNEXPECTED_INPUT", f"Error in query: expected the end of a list, not {self._here()}.")
        return tuple(values)
