"""Checks the dashboard against the types that Grafana generates from its schema, and its queries as PromQL.

    pip install grafana-foundation-sdk promql-parser && python deploy/grafana/check.py

A field that the schema does not know is lost when the dashboard is read into those types and written again.
"""
import json
import pathlib
import re
import sys

import promql_parser
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard


def differences(here, there, path):
    """Yields the paths of the values of `here` that `there` lacks or changes."""
    if isinstance(here, dict) and isinstance(there, dict):
        for key, value in here.items():
            if key not in there:
                yield f"{path}.{key}: unknown to the schema"
            else:
                yield from differences(value, there[key], f"{path}.{key}")
    elif isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        for index, pair in enumerate(zip(here, there)):
            yield from differences(*pair, f"{path}[{index}]")
    elif here != there:
        yield f"{path}: {here!r} became {there!r}"


plugins.register_default_plugins()
text = pathlib.Path(__file__).with_name("longhaul-serve.json").read_text()
written = json.loads(text)
known = json.loads(JSONEncoder().encode(dashboard.Dashboard.from_json(json.loads(text))))
faults = list(differences(written, known, "dashboard"))
queries = [target["expr"] for panel in written["panels"] for target in panel["targets"]]
for query in queries:
    try:
        promql_parser.parse(re.sub(r"\$__rate_interval", "1m", query))
    except ValueError as error:
        faults.append(f"{query}: {error}")
print("\n".join(faults) or f"{len(written['panels'])} panels and {len(queries)} queries are valid")
sys.exit(bool(faults))
