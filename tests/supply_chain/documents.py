"""Bills of materials, read and checked independently of the program that writes them."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.supply_chain.environment import PYTHON

VALIDATE = """\
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())
sys.exit(str(fault.data.message) if fault else 0)
"""


def schema_fault(text: str) -> str:
    """What CycloneDX's own schema says against a document; empty if nothing."""
    checked = subprocess.run(
        [PYTHON, "-c", VALIDATE], input=text, capture_output=True, text=True, check=False, timeout=60
    )
    return checked.stderr if checked.returncode else ""


def components(document: Path) -> dict[str, dict[str, Any]]:
    """The components by package URL without qualifiers, or by reference where they have none."""
    read = json.loads(document.read_text())["components"]
    found = {entry.get("purl", entry["bom-ref"]).partition("?")[0]: entry for entry in read}
    assert len(found) == len(read)
    return found
