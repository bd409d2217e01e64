"""PromQL read with a real parser: which series an expression selects."""

import promql_parser


def selected(expression: str) -> set[str]:
    """Return the names of all series that an expression selects. Raises ValueError where it does not parse."""
    names: set[str] = set()
    _walk(promql_parser.parse(expression), names)
    return names


def _walk(node: object, names: set[str]) -> None:
    match node:
        case promql_parser.VectorSelector():
            names.add(node.name or _by_matcher(node))
        case promql_parser.MatrixSelector():
            _walk(node.vector_selector, names)
        case promql_parser.BinaryExpr():
            _walk(node.lhs, names)
            _walk(node.rhs, names)
        case promql_parser.Call():
            for argument in node.args:
                _walk(argument, names)
        case promql_parser.AggregateExpr() | promql_parser.UnaryExpr() | promql_parser.ParenExpr():
            _walk(node.expr, names)
        case promql_parser.SubqueryExpr():
            _walk(node.expr, names)
        case promql_parser.NumberLiteral() | promql_parser.StringLiteral():
            pass
        case _:
            raise TypeError(f"unknown node {type(node)}")


def _by_matcher(node: promql_parser.VectorSelector) -> str:
    for matcher in node.matchers.matchers:
        if matcher.name == "__name__":
            return str(matcher.value)
    raise ValueError(f"{node} selects series without a name")
