"""Reads a report's files as other programs would, and prints what they found as JSON.

usage: formats.py FOLDER
"""

import csv
import json
import pathlib
import sys

from junitparser import JUnitXml
from markdown_it import MarkdownIt

folder = pathlib.Path(sys.argv[1])

with open(folder / "records.csv", newline="", encoding="utf-8") as file:
    runs = list(csv.DictReader(file))

tests = [
    {"name": test.name, "suite": suite.name, "results": [type(result).__name__ for result in test.result]}
    for suite in JUnitXml.fromfile(str(folder / "junit.xml"))
    for test in suite
]

tokens = MarkdownIt().enable("table").parse((folder / "summary.md").read_text(encoding="utf-8"))
rows = []
for token in tokens:
    if token.type == "tr_open":
        rows.append([])
    elif token.type == "inline" and rows and token.level > 2:
        rows[-1].append(token.content)

json.dump({"csv": runs, "junit": tests, "markdown": rows}, sys.stdout)
