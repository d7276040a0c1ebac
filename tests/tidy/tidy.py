#!/usr/bin/python3
"""The house rules that no compiler checks: who may include whom, how files open, how long things run, what is called
only in its one home. Reads sources; changes nothing. Needs no package beside Python and a C compiler.

    tests/tidy/tidy.py               every rule; exit 1 after a finding
    tests/tidy/tidy.py --self-test   each rule must find the fault that was put in for it

To add a rule, write a function that takes a House and yields Findings, add it to RULES, and add a faulty file to
SELF_TEST that it must find.
"""

import argparse
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

# -- the rules as data --

# Which rooms a room may include. A service sees of another service the public header alone (order/order.h).
SERVICES = ("user", "order", "payment")
GROUND = ("base", "crypto", "http", "store")
MAY_INCLUDE = {
    "base": (),
    "crypto": ("base",),
    "http": ("base", "crypto"),
    "store": ("base", "crypto"),
    "service": GROUND,
    "ledger": ("base", "store"),
    "user": (*GROUND, "service", "ledger"),
    "order": (*GROUND, "service", "ledger"),
    "payment": (*GROUND, "service", "ledger"),
    "house": (*GROUND, "service", "ledger", *SERVICES),
    "bench": ("base", "crypto"),
    "cli": (*GROUND, "service", "ledger", *SERVICES, "house", "bench"),
    "main.c": ("base", "cli"),
}
# What the rules (decide.c, and all of the ledger) may see of the store: rows in memory. And nothing of HTTP.
STORE_WITHOUT_IO = (
    "store/table.h",
    "store/batch.h",
    "store/command.h",
    "store/journal.h",
    "store/request.h",
)

COLUMNS_MAX, FUNCTION_LINES_MAX, FILE_LINES_MAX = 100, 70, 600

# Files that may be longer, with the reason: cases that share one running server.
LONG_FILES = {"tests/unit/store/engine_postgres.c": 1100}

# What each service shows to the others.
PUBLIC_HEADERS = ("user/user.h", "user/party.h", "order/order.h", "payment/payment.h", "payment/told.h")

# Rooms of machinery, whose objects outlive requests. All others live from arenas.
MACHINERY = tuple(f"src/{room}/" for room in (*GROUND, "service", "house", "bench"))
# Calls that have one home, or none: (what they do, their names, where they are at home).
BANNED = (
    ("heap", r"malloc|calloc|realloc|reallocarray|strdup|strndup|free", MACHINERY),
    ("text", r"strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|atof|alloca", ()),
    ("clock", r"time|gettimeofday|clock_gettime|clock", ("src/base/clock.c",)),
    ("chance", r"rand|random|srand|rand_r|drand48|getrandom|RAND_bytes", ("src/base/random.c",)),
)
# Where such a call is right elsewhere, with the reason. A row that no longer applies is a finding.
ALLOWED_CALLS = {
    ("src/user/user.c", "heap"): "the service's own state, made once at start",
    ("src/store/behind_thread.c", "clock"): "the deadline of pthread_cond_timedwait",
}

UNFINISHED = re.compile(r"\b(TODO|FIXME|HACK)\b")

HEADER_FLAGS = (
    "-std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wswitch-enum -Wstrict-prototypes -Wvla "
    "-Wundef -Wcast-qual -Wwrite-strings -Wformat=2 -Werror -Wno-unused-function -fsyntax-only -x c"
)
HEADER_PACKAGES = (
    "libcrypto",
    "libssl",
    "sqlite3",
    "libpq",
    "libargon2",
    "inih",
    "libcurl",
    "libutf8proc",
)


# -- sources --


@dataclass(frozen=True)
class Finding:
    path: str
    line: int
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.message}"


class Source:
    def __init__(self, root, path):
        self.path = path.relative_to(root).as_posix()
        self.text = path.read_text(encoding="utf-8")
        self.lines = self.text.splitlines()

    @property
    def room(self):
        return self.path.split("/")[1]

    def code(self):
        """The text without comments and without what stands in quotes; line numbers stay."""

        def blank(match):
            kept = match.group(0)[0] if match.group(0)[0] in "\"'" else ""
            return kept + "\n" * match.group(0).count("\n") + kept

        pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
        return re.sub(pattern, blank, self.text, flags=re.DOTALL)

    def includes(self):
        for number, line in enumerate(self.lines, 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if match:
                yield number, match.group(1)


class House:
    def __init__(self, root):
        self.root = root
        self.sources = [
            Source(root, path)
            for top in ("src", "tests")
            for path in sorted((root / top).rglob("*"))
            if path.suffix in (".c", ".h", ".def") and "corpus" not in path.parts
        ]
        self.product = [source for source in self.sources if source.path.startswith("src/")]


# -- the rules --


def rule_includes_point_down(house):
    """a room includes only what its row of MAY_INCLUDE names"""
    for source in house.product:
        if source.room not in MAY_INCLUDE:
            yield Finding(source.path, 1, f"room '{source.room}' has no row in MAY_INCLUDE")
            continue
        for line, include in source.includes():
            room, _, _ = include.partition("/")
            if room == source.room or room not in MAY_INCLUDE:
                continue
            public_header = source.room in SERVICES and include in PUBLIC_HEADERS
            if room not in MAY_INCLUDE[source.room] and not public_header:
                yield Finding(source.path, line, f"{source.room} may not include {include}")


def rule_rules_do_no_io(house):
    """decide.c and the ledger see neither HTTP nor the store's I/O"""
    for source in house.product:
        if not (source.path.endswith("/decide.c") or source.room == "ledger"):
            continue
        for line, include in source.includes():
            if include.startswith("http/") or (
                include.startswith("store/") and include not in STORE_WITHOUT_IO
            ):
                yield Finding(source.path, line, f"rules may not include {include}")


def rule_files_open_with_their_purpose(house):
    """each file opens with a comment that says what it is for"""
    for source in house.sources:
        first = source.lines[0] if source.lines else ""
        if not re.match(r"(//|/\*) ?\S.{10,}", first):
            yield Finding(source.path, 1, "the first line must be a comment that says what the file is for")


def rule_lines_fit(house):
    """lines run to 100 columns; a sentence in quotes may make a table's row longer"""
    for source in house.sources:
        if source.path.endswith(".def"):
            continue
        for number, line in enumerate(source.lines, 1):
            without_sentences = re.sub(r'"(?:\\.|[^"\\])*"', '""', line)
            if len(line) > COLUMNS_MAX and (
                len(without_sentences) > COLUMNS_MAX or without_sentences == line
            ):
                yield Finding(source.path, number, f"{len(line)} columns; {COLUMNS_MAX} is the most")


def rule_functions_and_files_are_short(house):
    """functions run to 70 lines, files to 600"""
    for source in house.sources:
        if len(source.lines) > LONG_FILES.get(source.path, FILE_LINES_MAX):
            yield Finding(
                source.path,
                FILE_LINES_MAX,
                f"{len(source.lines)} lines; {FILE_LINES_MAX} is the most",
            )
        begin = None
        for number, line in enumerate(source.lines, 1):
            if re.match(r"(\S.*|\s+\S.*)?\) \{$", line) and begin is None:
                begin = number
                while begin > 1 and re.match(r"\s", source.lines[begin - 1]):
                    begin -= 1
            elif line == "}" and begin is not None:
                if number - begin + 1 > FUNCTION_LINES_MAX:
                    message = f"a function of {number - begin + 1} lines; {FUNCTION_LINES_MAX} is the most"
                    yield Finding(source.path, begin, message)
                begin = None


def rule_banned_calls(house):
    """some calls have one home, some have none"""
    unused = set(ALLOWED_CALLS)
    for source in house.product:
        for number, line in enumerate(source.code().splitlines(), 1):
            for what, names, homes in BANNED:
                for match in re.finditer(rf"(?<![\w.>])({names})\s*\(", line):
                    unused.discard((source.path, what))
                    if not source.path.startswith(homes or "-") and (source.path, what) not in ALLOWED_CALLS:
                        home = f"; its home is {' and '.join(homes)}" if homes else ""
                        yield Finding(source.path, number, f"{match.group(1)}() is not called here{home}")
            if re.search(r"\bgoto\b", line):
                yield Finding(source.path, number, "goto: use __attribute__((cleanup)) or a function")
    for path, what in sorted(unused):
        if (house.root / path).exists():
            yield Finding(path, 1, f"ALLOWED_CALLS has a row for '{what}' that is no longer needed")


def rule_nothing_unfinished(house):
    """no marks of unfinished work"""
    for source in house.sources:
        for number, line in enumerate(source.lines, 1):
            if UNFINISHED.search(line):
                yield Finding(source.path, number, "finish it, or leave it out")


def rule_no_dead_files(house):
    """each .c is built, each .h and .def is included"""
    builds = {
        path.parent: path.read_text()
        for path in house.root.rglob("meson.build")
        if "build" not in path.parts[:1]
    }
    included = {include for source in house.sources for _, include in source.includes()}
    names = {pathlib.PurePosixPath(include).name for include in included}
    for source in house.sources:
        path = house.root / source.path
        if path.suffix == ".c":
            if source.path.startswith("tests/fuzz/"):  # found by glob
                continue
            above = [text for folder, text in builds.items() if path.is_relative_to(folder)]
            stem = re.escape(path.stem)
            if not any(re.search(rf"(?<![\w-]){stem}(?:\.c)?(?![\w-])", text) for text in above):
                yield Finding(source.path, 1, "no meson.build names this file")
        elif source.path.removeprefix("src/") not in included and path.name not in names:
            yield Finding(source.path, 1, "nobody includes this file")


def rule_headers_stand_alone(house):
    """each header compiles by itself under the strict flags"""
    found = subprocess.run(
        ["pkg-config", "--cflags", *HEADER_PACKAGES], capture_output=True, text=True, check=False
    )
    flags = [
        *shlex.split(HEADER_FLAGS),
        f"-I{house.root / 'src'}",
        "-I/usr/include/llhttp",
        "-I/usr/share/include/llhttp",
    ]
    flags += found.stdout.split()
    headers = [source for source in house.product if source.path.endswith(".h")]

    def compile_one(source):
        text = f'#include "{house.root / source.path}"\n#include "{house.root / source.path}"\nint stands_alone;\n'
        return subprocess.run(["cc", *flags, "-"], input=text, capture_output=True, text=True, check=False)

    with ThreadPoolExecutor(max_workers=2) as pool:
        for source, result in zip(headers, pool.map(compile_one, headers), strict=True):
            if result.returncode != 0:
                yield Finding(source.path, 1, "does not compile by itself: " + result.stderr.strip()[:600])


RULES = (
    rule_includes_point_down,
    rule_rules_do_no_io,
    rule_files_open_with_their_purpose,
    rule_lines_fit,
    rule_functions_and_files_are_short,
    rule_banned_calls,
    rule_nothing_unfinished,
    rule_no_dead_files,
    rule_headers_stand_alone,
)

# -- does each rule find what it is for? --

OPENING = "// A file that was made to break one rule of the house.\n"
SELF_TEST = {
    rule_includes_point_down: ("src/base/low.c", OPENING + '#include "store/engine.h"\n'),
    rule_rules_do_no_io: ("src/order/decide.c", OPENING + '#include "store/engine.h"\n'),
    rule_files_open_with_their_purpose: ("src/base/mute.c", "#include <stdint.h>\n"),
    rule_lines_fit: ("src/base/wide.c", OPENING + "// " + "wide " * 30 + "\n"),
    rule_functions_and_files_are_short: (
        "src/base/long.c",
        OPENING + "int f(void) {\n" + "    g();\n" * 70 + "}\n",
    ),
    rule_banned_calls: ("src/order/calls.c", OPENING + "void f(void) {\n    use(malloc(1));\n}\n"),
    rule_nothing_unfinished: ("src/base/half.c", OPENING + "// TO" + "DO: the other half\n"),
    rule_no_dead_files: ("src/base/dead.c", OPENING),
    rule_headers_stand_alone: ("src/base/needy.h", OPENING + "size_t needs(something *it);\n"),
}


def self_test():
    faults = 0
    for rule in RULES:
        path, text = SELF_TEST[rule]
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, content in (("src/base/fine.h", OPENING + "#pragma once\n"), (path, text)):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(content)
            found = {finding.path for finding in rule(House(root))}
            if path not in found:
                print(f"FAIL {rule.__name__} does not find what was put into {path}")
                faults += 1
    if not faults:
        print(f"each of {len(RULES)} rules finds its fault")
    return faults


def main():
    parser = argparse.ArgumentParser(description="Check the house rules.")
    parser.add_argument("--self-test", action="store_true", help="check the rules themselves")
    if parser.parse_args().self_test:
        return 1 if self_test() else 0
    house = House(pathlib.Path(__file__).resolve().parent.parent.parent)
    failed = False
    for rule in RULES:
        findings = list(rule(house))
        failed = failed or bool(findings)
        print(f"{'FAIL' if findings else 'ok  '} {rule.__doc__}")
        for finding in findings:
            print(f"     {finding}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
