"""The selectors in the text of a query, and which namespaces they select."""

import re

_SELECTOR = re.compile(r"[a-z_:]+\{([^}]*)\}")
_MATCHER = re.compile(r'(\w*namespace)(=~|!~|!=|=)"([^"]*)"')


def selects(query: str, namespace: str) -> bool:
    """True if a selector in *query* has no matcher on a namespace that leaves out *namespace*."""
    return not all(
        any(
            _leaves_out(operator, value, namespace)
            for _, operator, value in _MATCHER.findall(matchers)
            if value
        )
        for matchers in _SELECTOR.findall(query)
    )


def _leaves_out(operator: str, value: str, namespace: str) -> bool:
    pattern = value if operator.endswith("~") else re.escape(value)
    return bool(re.fullmatch(pattern, namespace)) == operator.startswith("!")
