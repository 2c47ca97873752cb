"""The views of the page: their addresses, and what their tables show."""

from decimal import Decimal

from playwright.sync_api import Page

from tests.dashboard.browser.visit import DESKTOP, PHONE, Look

LOOKS = (
    Look(PHONE, "light"),
    Look(PHONE, "dark"),
    Look(DESKTOP, "light"),
    Look(DESKTOP, "dark"),
)


def addresses(namespace: str, name: str) -> dict[str, str]:
    """The address of each view, below the token: those of a workload and of its namespace too."""
    return {
        "overview": "/",
        "workloads": "/workloads",
        "workload": f"/workload?namespace={namespace}&name={name}",
        "connections": "/connections",
        "namespaces": "/namespaces",
        "namespace": f"/namespace?name={namespace}",
    }


def rows(page: Page, table: str) -> list[list[str]]:
    """The cells of each row that the table *table* (a selector) shows, as a reader sees them."""
    shown: list[list[str]] = page.locator(f"{table} tbody tr:visible").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    )
    return shown


def cores(text: str) -> Decimal:
    """The cores in `120m` or `12.5`; signs count, and a dash is none."""
    return Decimal(text.removesuffix("m")) / 1000 if text.endswith("m") else Decimal(text)


def mebibytes(text: str) -> Decimal:
    """The MiB in `347Mi` or `12.5Gi`."""
    return (
        Decimal(text.removesuffix("Mi")) if text.endswith("Mi") else 1024 * Decimal(text.removesuffix("Gi"))
    )
