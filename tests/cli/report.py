#!/usr/bin/env python3
"""tests/cli/report.py QUERN — the report and the comparison as pages: whole, by themselves, every op on them, every figure a number."""
import html.parser
import json
import math
import os
import re
import sys
import tempfile
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checking import Checks, caching

quern = os.path.abspath(sys.argv[1])
check = Checks()
SVG = "http://www.w3.org/2000/svg"
VOID = {"meta", "br", "hr", "img", "link", "input"}


def run(*arguments, status=0):
    return check.run(quern, *arguments, status=status, env=caching("cache"))


class Page(html.parser.HTMLParser):
    """Tags that open and close in order; the text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.wrong, self.words, self.tags = [], [], "", []
        self.feed(text)
        self.close()
        if self.open:
            self.wrong.append(f"never closed: {self.open}")

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        self.words += data


def numbers_of(element):
    for key in ("x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "width", "height"):
        if key in element.attrib:
            yield element.attrib[key]
    for key in ("d", "viewBox", "transform"):
        yield from re.sub(r"rotate|[ML(),]", " ", element.attrib.get(key, "")).split()


def check_picture(text, name):
    """XML whose every coordinate is a number within the picture. Gives its root."""
    try:
        root = xml.etree.ElementTree.fromstring(text)
    except xml.etree.ElementTree.ParseError as error:
        check(False, f"{name}: {error}")
        return xml.etree.ElementTree.Element("none")
    check(root.tag == f"{{{SVG}}}svg", f"{name}: {root.tag}")
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    wild = []
    for element in root.iter():
        for number in numbers_of(element):
            value = float(number) if re.fullmatch(r"-?\d+(\.\d+)?", number) else math.nan
            if not -1000 <= value <= 100000:
                wild.append(number)
        for key, low, high in (("x", left, width), ("cx", left, width), ("x1", left, width), ("x2", left, width), ("y", top, height), ("cy", top, height)):
            if key in element.attrib and not low - 1 <= float(element.attrib[key]) <= high + 1:
                wild.append(f"{key}={element.attrib[key]}")
    check(not wild, f"{name}: coordinates {wild[:5]}")
    return root


def check_page(text, name):
    """Gives the page and its pictures."""
    page = Page(text)
    check(not page.wrong, f"{name}: {page.wrong[:3]}")
    check(text.startswith("<!DOCTYPE html>") and text.rstrip().endswith("</html>"), f"{name}: is no whole page")
    check(not re.search(r"https?:", text.replace(f'xmlns="{SVG}"', "")), f"{name}: names something on the network")
    fetched = [tag for tag, attrs in page.tags if tag in ("script", "link", "img", "iframe", "object") or "src" in attrs or "href" in attrs]
    check(not fetched, f"{name}: fetches {fetched}")
    check("@import" not in text and "url(" not in text, f"{name}: its style fetches")
    check(not re.search(r"\b(nan|inf)\b", page.words, re.I), f"{name}: a figure that is none")
    pictures = [check_picture(svg, f"{name}, picture {i}") for i, svg in enumerate(re.findall(r"<svg.*?</svg>", text, re.S))]
    check(len(pictures) == sum(tag == "svg" for tag, _ in page.tags), f"{name}: pictures within pictures")
    return page, pictures


def marks(root, tag, looks):
    return [element for element in root.iter(f"{{{SVG}}}{tag}") if element.attrib.get("class") == looks]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)

    # Nothing is tuned: it says so and how to.
    page, pictures = check_page(run("report", "-o", "-").stdout, "empty")
    check("Nothing is tuned here" in page.words and "quern tune" in page.words, "an empty report does not say how to tune")
    check(not os.path.exists("report.html"), "-o - wrote a file")

    ops = ["matmul m=* n=96 k=64 const=b", "softmax x=64x200", "map expr='max(a, b) * 2' a=20000 b=20000"]
    with open("suite.toml", "w", encoding="utf-8") as file:
        file.write("".join(f'[[op]]\ntext = "{op}"\n' for op in ops))
    run("tune", "--suite", "./suite.toml", "--effort", "measure")
    explained = {op: json.loads(run("explain", op, "--json", "-").stdout) for op in ops}
    rows = [{"op": explained[ops[1]]["op"], "threads": 1, "schedule": explained[ops[1]]["schedule"], "warm_ns": 5000,
             "peers": {"peer <&> one": {"ratio": 1.5, "ratio_low": 1.4, "ratio_high": 1.6}, "absent": {"absent": "not here"}}},
            {"op": explained[ops[0]]["op"], "threads": 2, "schedule": "", "warm_ns": 7000, "note": "at 64 each", "peers": {"other": {"ratio": 2}}}]
    with open("bench.json", "w", encoding="utf-8") as file:
        json.dump({"rows": rows}, file)

    out = run("report", "--bench", "bench.json", "--pictures", "pictures").stdout
    check("<" not in out, f"without -o the page is on stdout: {out[:80]}")
    for op, said in explained.items():
        lines = [line.split(maxsplit=5) for line in out.split("\n") if line.endswith(said["op"]) and not "worst" in line]
        wanted = [f"{said[key]:.2f}" if key in said else "-" for key in ("spearman", "spearman_others", "spearman_costs", "spearman_repeat")]
        timed = sum(candidate["ratio"] > 0 and candidate["outcome"] != "default" for candidate in said["candidates"])
        check(lines and lines[0][:4] == wanted and lines[0][4] == str(timed), f"{op}: Spearman on stdout: {lines}, not {wanted} of {timed}")
    text = read("report.html")
    page, pictures = check_page(text, "report")
    check("peer <&> one" in page.words and "<&>" not in text, "a peer's name is not escaped")
    for op, said in explained.items():
        check(page.words.count(said["op"]) >= 3, f"{op}: is not in the table, the bars and the details")
        for key in ("space", "pruned", "measured", "untried"):
            check(said["counts"][key] in page.words, f"{op}: {key} {said['counts'][key]} is not there")
        check(all(rule in page.words for rule in said["pruned_by"]), f"{op}: a rule is missing")
        check(said["schedule"] in page.words, f"{op}: its schedule is missing")
        if "spearman" in said:
            check(f"{said['spearman']:.2f}" in page.words, f"{op}: its Spearman is missing")
        for few in said["table"]:
            check(few["schedule"] in page.words, f"{op}: rows={few['rows']} is missing")
    known = sorted(said["spearman"] for said in explained.values() if "spearman" in said)
    check(len(known) == 0 or f"{known[0]:.2f}worst" in page.words, "the worst Spearman is missing")
    median = known[len(known) // 2] if len(known) % 2 else (known[len(known) // 2 - 1] + known[len(known) // 2]) / 2
    for figure, name in ((known[0], "worst; fitted"), (median, f"median of {len(known)} ops")):
        check(re.search(rf"^ *{figure:.2f} .*{name}", out, re.M), f"the {name} Spearman is not on stdout: {out[-300:]}")
    check(run("report", "-o", "quiet.html", "--quiet").stdout == "", "a quiet report speaks")
    check("calls up to" in page.words, "no table over sizes")

    # The pictures: a point for each op; bars with the lengths that the times have; every timed candidate.
    roof = pictures[0]
    check(len(marks(roof, "circle", "tuned")) == len(ops), f"{len(marks(roof, 'circle', 'tuned'))} points of {len(ops)} ops")
    check(all("% of its ceiling" in "".join(point.itertext()) for point in marks(roof, "circle", "tuned")), "a point without its percentage")
    check(len(marks(roof, "path", "roof")) == 1 and marks(roof, "path", "slope"), "no ceilings")
    clouds = [svg for svg in pictures if svg.attrib.get("aria-label", "").startswith("candidates")]
    check(len(clouds) == len(ops), f"{len(clouds)} clouds")
    for cloud, (op, said) in zip(clouds, explained.items()):
        timed = sum(candidate["ratio"] > 0 for candidate in said["candidates"])
        check(sum(1 for _ in cloud.iter(f"{{{SVG}}}circle")) == timed, f"{op}: not every candidate is on its picture: {timed}")
    bars = [svg for svg in pictures if svg.attrib.get("aria-label") == "time of one call, as bars"]
    check(len(bars) == len(ops) + 1, f"{len(bars)} groups of bars")
    peers = [bar for svg in bars for bar in marks(svg, "rect", "peer")]
    check(len(peers) == 2, f"{len(peers)} peers")
    softmax = explained[ops[1]]
    stands = any(candidate["outcome"] == "default" and candidate["schedule"] == softmax["schedule"] for candidate in softmax["candidates"])
    for svg in bars:
        for theirs in marks(svg, "rect", "peer"):
            other = "other" in "".join(theirs.itertext())
            ours = marks(svg, "rect", "default" if stands and not other else "tuned")[0]
            ratio = float(theirs.attrib["width"]) / float(ours.attrib["width"])
            check(abs(ratio - (2 if other else 1.5)) < 0.05, f"a peer's bar is {ratio} of ours")
    for name in ("roofline", "calls"):
        alone = check_picture(read(f"pictures/{name}.svg"), name)
        check(alone.find(f"{{{SVG}}}style") is not None and "width" in alone.attrib, f"{name}.svg: without its colours or size")

    # Two records side by side, alone and on the page.
    compared = check_page(run("compare", "smallmind:baseline", "smallmind:current", "--format", "html").stdout, "comparison")
    with open("row.txt", "w", encoding="utf-8") as file:
        file.write(run("compare", "smallmind:baseline", "smallmind:current").stdout)
    verdicts = {name: len(re.findall(rf"^  \S.* %  {name}", read("row.txt"), re.M)) for name in ("improved", "unchanged", "regressed", "critical")}
    rows = sum(verdicts.values())
    check(rows > 10, f"{rows} rows compared")
    for name, looks in (("improved", "good"), ("unchanged", "same"), ("regressed", "bad"), ("critical", "worst")):
        shown = sum(len(marks(svg, "rect", looks)) for svg in compared[1])
        check(shown == verdicts[name], f"{shown} bars are {name}, {verdicts[name]} rows are")
    check(sum(len(marks(svg, "rect", "default")) for svg in compared[1]) == rows, "not every row has its base")
    run("compare", "smallmind:baseline", "smallmind:current", "--format", "html", "-o", "comparison.html")
    check_page(read("comparison.html"), "comparison.html")
    page, _ = check_page(run("report", "-o", "-", "--base", "smallmind:baseline", "--new", "smallmind:current").stdout, "with records")
    check("smallmind:current against smallmind:baseline" in page.words, "the comparison is not on the page")

    # What is wrong is said, and nothing is written.
    os.remove("report.html")
    bad = {"none.json": "{}", "torn.json": "{", "zero.json": json.dumps({"rows": [{**rows_, "peers": {"p": {"ratio": 0}}} for rows_ in [{"op": "relu x=3", "warm_ns": 1}]]})}
    for name, content in bad.items():
        with open(name, "w", encoding="utf-8") as file:
            file.write(content)
        check(name in run("report", "--bench", name, status=3).stderr, f"{name}: is not named")
    run("report", "--bench", "missing.json", status=3)
    for words in (["gelu"], ["--base", "smallmind:baseline"], ["--base", "smallmind:baseline", "--new", "smallmind:curent"], ["--bnch", "x"]):
        run("report", *words, status=2)
    run("report", "-o", "no/such/folder/report.html", status=4)
    check(not os.path.exists("report.html"), "a report was written where it could not be")

check.finish(100)
