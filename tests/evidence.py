#!/usr/bin/env python3
"""Runs what the README's evidence box shows, and writes docs/evidence/DATE.md, DATE.json and the box.

usage: tests/evidence.py [NAME ...]     only these steps; the others keep what DATE.json has of the same commit
Counts come from the variables of `make crash`: TIMES, CUTS, FLIPS, TROUBLE, SEED, KILLS. A figure that was not measured
is not written down; a step that fails is written down as failed, and ends this with 1."""

import datetime
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
README = os.path.join(ROOT, "README.md")
BEGIN, END = "<!-- evidence: written by make evidence -->", "<!-- end of evidence -->"
# Queries, from text to answer: over HTTP, and the parser and planner by themselves.
QUERIES = "queries:: values:: conflicts:: history:: masks:: wide:: graphql_http::parameters graphql_http::errors"
CLIENTS = "graphql_http::the_audit graphql_http::clients oauth:: policy_engines::"


def rig_variables():
    """What `make rigs` is called with."""
    wanted = {"TIMES": "100", "CUTS": "60", "FLIPS": "100", "TROUBLE": "4", "SEED": "1"}
    return " ".join(f"{name}={os.environ.get(name, usual)}" for name, usual in wanted.items())


def passed(text):
    """Tests that passed, of all runs in a text of cargo's."""
    return sum(int(n) for n in re.findall(r"test result: \w+\. (\d+) passed", text))


def rigs(_):
    with open(os.path.join(ROOT, "target/durability/durability.json")) as file:
        found = json.load(file)
    lines = []
    for rig in found:
        held = f"{rig['acknowledged']:,} acknowledgements, " if rig["acknowledged"] else ""
        figure = f"{rig['tried']:,} {rig['of']}: {held}{rig['lost']} lost, {rig['wrong']} silently wrong"
        if rig["rig"] == "planted faults":
            figure = f"{rig['tried'] - rig['wrong']} of {rig['tried']} found"
        lines.append({"what": rig["rig"], "figure": figure, "more": rig["note"]})
    return lines


def policy(text):
    held = re.findall(r"^(.*?): (\d+) files, (\d+) assertions, (\d+) lists of members, (\d+) checks .*?(\d+) wrong$", text, re.M)
    return [
        {
            "what": f"golden policy answers, {name}",
            "figure": f"{assertions} assertions and {lists} lists in {files} files, {int(asked):,} checks compared: {wrong} wrong",
        }
        for name, files, assertions, lists, asked, wrong in held
    ]


def count(what):
    return lambda text: [{"what": what, "figure": f"{passed(text)} tests passed"}]


def load(_):
    with open(os.path.join(ROOT, "target/bench/bench.json")) as file:
        rows = json.load(file)
    lines = []
    for row in rows:
        beside = f" ({row['baseline']['name']}: {row['baseline']['value']:,.0f})" if row.get("baseline") else ""
        lines.append({"what": row["name"], "figure": f"{row['value']:,.1f} {row['unit']}{beside}", "more": row["note"]})
    return lines


STEPS = {
    "rigs": (f"make rigs {rig_variables()}", rigs),
    "killed": (
        f"ALLOD_KILLS={os.environ.get('KILLS', '8')} cargo test --locked -p tests --test e2e -- killed",
        count("set-up, joining, starts and rights, killed at system calls"),
    ),
    "policy": ("cargo test --locked -p policy --test truth -- --nocapture", policy),
    "queries": (f"cargo test --locked -p tests --test e2e -- {QUERIES}", count("query suite over HTTP")),
    "clients": (f"cargo test --locked -p tests --test e2e -- {CLIENTS}", count("clients: graphql-js 16 and 17, an audit of GraphQL over HTTP, OAuth, gRPC")),
    "load": (f"make bench ROWS={shlex.quote(os.environ.get('ROWS', 'read'))}", load),
}


def said(*command):
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False).stdout.strip()


def machine():
    cpu = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
    memory = int(re.search(r"MemTotal:\s*(\d+)", open("/proc/meminfo").read())[1])
    return {
        "cores": os.cpu_count(),
        "processor": cpu[1] if cpu else platform.machine(),
        "memory_gib": round(memory / 2**20, 1),
        "kernel": platform.release(),
    }


def run(name, command, read):
    print(f"{name}: {command}", flush=True)
    begun = time.monotonic()
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    step = {"name": name, "command": command, "seconds": round(time.monotonic() - begun), "ok": done.returncode == 0}
    text = done.stdout + done.stderr
    try:
        step["lines"] = read(text)
    except (OSError, ValueError, KeyError) as error:
        step["lines"], step["ok"] = [{"what": name, "figure": f"failed: {error}"}], False
    if not step["ok"]:
        print(text[-6000:], file=sys.stderr)
    return step


def written(date, commit, on, steps):
    """The page of a day."""
    page = [f"# What was run on {date}", ""]
    page.append(f"Commit `{commit}`; {on['cores']} cores ({on['processor']}), {on['memory_gib']} GiB, Linux {on['kernel']}. ")
    page.append("One machine, and no real power was cut: states of the disk are built from what the node wrote (see ")
    page.append("`tests/durability`). Nobody from outside has looked at this.")
    for step in steps:
        page += ["", f"## {step['name']}", "", "```", step["command"], "```", ""]
        page.append(f"{step['seconds']} s{'' if step['ok'] else '; **failed**'}.")
        page += ["", "| what | figure | |", "|---|---|---|"]
        page += [f"| {line['what']} | {line['figure']} | {line.get('more', '')} |" for line in step["lines"]]
    return "\n".join(page) + "\n"


def box(date, commit, steps):
    """The box in the README: a line a figure, and the command that says it again."""
    rows = [f"[{date}](docs/evidence/{date}.md), commit `{commit}`; what is not here was not run.", ""]
    rows += ["| what | figure | again |", "|---|---|---|"]
    for step in steps:
        for n, line in enumerate(step["lines"]):
            figure = line["figure"] if step["ok"] else f"**failed**: {line['figure']}"
            rows.append(f"| {line['what']} | {figure} | {'`' + step['command'] + '`' if n == 0 else ''} |")
    return "\n".join([BEGIN, *rows, END])


def main():
    wanted = sys.argv[1:] or list(STEPS)
    unknown = [name for name in wanted if name not in STEPS]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; known: {', '.join(STEPS)}")
    date = datetime.date.today().isoformat()
    commit = said("git", "rev-parse", "--short", "HEAD") + (" and changes" if said("git", "status", "--porcelain", "--", ".", ":!docs/evidence", ":!README.md") else "")
    base = os.path.join(ROOT, "docs/evidence", date)
    os.makedirs(os.path.dirname(base), exist_ok=True)
    before = {}
    if os.path.exists(f"{base}.json"):
        with open(f"{base}.json") as file:
            known = json.load(file)
        if known["commit"] == commit:
            before = {step["name"]: step for step in known["steps"]}
    steps = []
    for name, (command, read) in STEPS.items():
        if name in wanted:
            steps.append(run(name, command, read))
        elif name in before:
            steps.append(before[name])
    on = machine()
    with open(f"{base}.json", "w") as file:
        json.dump({"date": date, "commit": commit, "machine": on, "steps": steps}, file, indent=2)
        file.write("\n")
    with open(f"{base}.md", "w") as file:
        file.write(written(date, commit, on, steps))
    text = open(README).read()
    begin, end = text.index(BEGIN), text.index(END) + len(END)
    with open(README, "w") as file:
        file.write(text[:begin] + box(date, commit, steps) + text[end:])
    sys.exit(0 if all(step["ok"] for step in steps) else 1)


if __name__ == "__main__":
    main()
